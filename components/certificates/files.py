"""A certificate that somebody else takes care of, looked at before anything is made with it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pulumi
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_PUBLIC = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class CertificateError(pulumi.RunError):
    """A file that cannot be served; the message names it, what is wrong and what helps, and nothing of a key."""


def read(setting: str, path: str) -> str:
    """The text of a file that a setting names, from the project's folder."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CertificateError(f"{setting}: cannot read {path} in {Path.cwd()}: {reason}") from None


def check(certificate: str, key: str, hosts: Iterable[str], now: datetime | None = None) -> None:
    """Raises CertificateError unless NGINX could serve the pair and browsers could take it for all hosts.

    What only a client knows, whether it trusts the issuer, is not looked at.
    """
    chain = _chain(certificate)
    leaf = chain[0]
    if not _fits(key, leaf):
        raise CertificateError("tls.key: is not the key of the first certificate in tls.certificate; give its own key")
    when = now or datetime.now(UTC)
    if when > leaf.not_valid_after_utc:
        raise CertificateError(
            f"tls.certificate: has expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; give a renewed one"
        )
    if when < leaf.not_valid_before_utc:
        raise CertificateError(
            f"tls.certificate: is valid only from {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; "
            "give one that is valid now, or set this machine's clock"
        )
    if missing := [host for host in hosts if not _covered(host, leaf)]:
        raise CertificateError(
            f"tls.certificate: is not for {', '.join(missing)}; give one whose names (subjectAltName) cover them"
        )
    for lower, upper in pairwise(chain):
        if not _issued(lower, upper):
            raise CertificateError(
                f"tls.certificate: {_name(upper)} has not issued {_name(lower)}, which stands before it; put the "
                "sites' certificate first and after each the one that issued it, without others"
            )


def _chain(text: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise CertificateError("tls.certificate: has no certificate in PEM, or a broken one") from None


def _fits(text: str, leaf: x509.Certificate) -> bool:
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:
        raise CertificateError("tls.key: is encrypted, and the gateway has no password for it; decrypt it") from None
    except ValueError:
        raise CertificateError("tls.key: has no private key in PEM, or a broken one") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise CertificateError("tls.key: is neither an RSA nor an ECDSA key, and browsers take no others")
    return key.public_key().public_bytes(*_PUBLIC) == leaf.public_key().public_bytes(*_PUBLIC)


def _covered(host: str, leaf: x509.Certificate) -> bool:
    """As RFC 6125, section 6.4: a wildcard is the whole first label, and stands for exactly one."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if host in map(str, names.get_values_for_type(x509.IPAddress)):
        return True
    _, _, parent = host.partition(".")
    return bool({host, f"*.{parent}"} & {name.lower() for name in names.get_values_for_type(x509.DNSName)})


def _issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or f"number {certificate.serial_number:x}"
