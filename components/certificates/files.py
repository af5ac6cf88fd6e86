"""A certificate that somebody else takes care of, looked at before anything is made with it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pulumi
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from components.settings.sites import is_address

_PUBLIC = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
# What OpenSSL refuses to serve or to take as Debian builds it (security level 2), and browsers with it.
_LEAST_RSA = 2048
_BROKEN_HASHES = (hashes.MD5, hashes.SHA1)


class CertificateError(pulumi.RunError):
    """A file that cannot be served; the message names it, what is wrong and what helps, and nothing of a key."""


def read(setting: str, path: str) -> str:
    """The text of a file that a setting names, from the project's folder."""
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise CertificateError(
            f"{setting}: cannot read {path} in {Path.cwd()} ({error.strerror}); name a file that is there, and that "
            "whoever runs Pulumi may read"
        ) from None
    except UnicodeDecodeError:
        raise CertificateError(f"{setting}: {path} is binary; convert it to PEM, for example with openssl") from None


def check(certificate: str, key: str, hosts: Iterable[str], now: datetime | None = None) -> None:
    """Raises CertificateError unless NGINX could serve the pair and browsers could take it for all hosts.

    What only a client knows, whether it trusts the issuer, is not looked at.
    """
    chain = _chain(certificate)
    leaf = chain[0]
    _check_key(key, chain)
    for one in chain:
        if reason := _unfit(one, now or datetime.now(UTC)):
            raise CertificateError(f"tls.certificate: {_name(one)} {reason}")
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
    if "PRIVATE KEY-----" in text:
        raise CertificateError(
            "tls.certificate: holds a private key, too, and is not kept as a secret; leave only certificates in it"
        )
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
        for one in chain:  # of which parts are read only when they are looked at
            _ = one.public_key(), one.signature_hash_algorithm, one.extensions
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise CertificateError(
            "tls.certificate: has no certificate in PEM, or a broken one; give the sites' and after it its issuers'"
        ) from None
    return chain


def _check_key(text: str, chain: Sequence[x509.Certificate]) -> None:
    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError:
        raise CertificateError("tls.key: is encrypted, and the gateway has no password for it; decrypt it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError(
            "tls.key: has no private key in PEM, or a broken one; give the one of the first certificate"
        ) from None
    if not (
        isinstance(key, rsa.RSAPrivateKey)
        or (isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)))
    ):
        raise CertificateError(
            "tls.key: is neither RSA nor ECDSA on P-256 or P-384, and not all browsers take others; give a certificate "
            "of such a key"
        )
    public = key.public_key().public_bytes(*_PUBLIC)
    fitting = [one for one in chain if one.public_key().public_bytes(*_PUBLIC) == public]
    if not fitting:
        raise CertificateError("tls.key: is not the key of the first certificate in tls.certificate; give its own key")
    if fitting[0] != chain[0]:
        raise CertificateError(
            f"tls.certificate: {_name(fitting[0])}, whose key tls.key is, does not stand first; put the sites' "
            "certificate first and after each the one that issued it"
        )


def _unfit(one: x509.Certificate, now: datetime) -> str | None:
    key, digest = one.public_key(), one.signature_hash_algorithm
    if now > one.not_valid_after_utc:
        return f"has expired on {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; give a renewed one"
    if now < one.not_valid_before_utc:
        return (
            f"is valid only from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; give one that is valid now, or set "
            "this machine's clock"
        )
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA:
        return f"has an RSA key of {key.key_size} bits, which clients refuse; give one of {_LEAST_RSA} bits or more"
    # By itself nobody checks its signature: who trusts it trusts it as it is.
    if one.issuer != one.subject and isinstance(digest, _BROKEN_HASHES):
        return f"is signed with {digest.name.upper()}, which clients refuse; give one that is signed with SHA-256"
    return None


def _covered(host: str, leaf: x509.Certificate) -> bool:
    """As RFC 6125, section 6.4: a wildcard is the whole first label, and stands for exactly one."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    if is_address(host):  # which no name stands for, not even one that looks like it
        return host in map(str, names.get_values_for_type(x509.IPAddress))
    _, _, parent = host.partition(".")
    return bool({host, f"*.{parent}"} & {name.lower() for name in names.get_values_for_type(x509.DNSName)})


def _issued(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(one: x509.Certificate) -> str:
    return one.subject.rfc4514_string() or f"number {one.serial_number:x}"
