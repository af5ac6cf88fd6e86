"""Makes a certificate as Go's crypto/x509 does for upstream: which extensions it has, and which of them are critical.

Source: createCertificate in internal/provider/common_cert.go of hashicorp/terraform-provider-tls, and CreateCertificate
in Go's crypto/x509.
"""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..base import ProviderError
from . import uses, validity
from .keys import signing_hash

if TYPE_CHECKING:
    from cryptography import x509

    from . import keys


@dataclass(frozen=True)
class Holder:
    """Whom a certificate is for."""

    subject: "x509.Name"
    names: "list[x509.GeneralName]"
    public_key: Any


@dataclass(frozen=True)
class Issuer:
    """Who signs it; `key_id` is the authority key id that the certificate gets."""

    subject: "x509.Name"
    key: "keys.PrivateKey"
    key_id: bytes | None


def subject_key_id(holder: Holder, inputs: dict[str, Any]) -> bytes | None:
    """The id of the holder's own key, where it gets one: an authority always does."""
    wanted = inputs.get("isCaCertificate") or inputs.get("setSubjectKeyId")
    return _key_id(holder.public_key) if wanted else None


def issue(holder: Holder, issuer: Issuer, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The serial number, which is the id, and the outputs that every certificate has."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if inputs.get("isCaCertificate") and not list(holder.subject):
        raise ProviderError("the certificate of an authority needs a subject; give it a commonName")
    start = validity.clock()
    end = start + validity.hours(inputs["validityPeriodHours"])
    serial = secrets.randbits(128) or 1
    builder = (
        x509.CertificateBuilder()
        .subject_name(holder.subject)
        .issuer_name(issuer.subject)
        .public_key(holder.public_key)
        .serial_number(serial)
        .not_valid_before(validity.moment(start))
        .not_valid_after(validity.moment(end))
    )
    for extension, critical in _extensions(holder, issuer, inputs):
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer.key, signing_hash(issuer.key))
    early = inputs.get("earlyRenewalHours", 0)
    return str(serial), {
        "certPem": certificate.public_bytes(Encoding.PEM).decode(),
        "validityStartTime": validity.text(start),
        "validityEndTime": validity.text(end),
        "readyForRenewal": early >= inputs["validityPeriodHours"],  # at once, and so at every `up`
    }


def _extensions(holder: Holder, issuer: Issuer, inputs: dict[str, Any]) -> "Iterator[tuple[x509.ExtensionType, bool]]":
    """Each extension and whether it is critical, in Go's order."""
    from cryptography import x509

    usage = uses.key_usage(inputs["allowedUses"])
    if usage:
        yield usage, True
    extended = uses.extended_key_usage(inputs["allowedUses"])
    if extended:
        yield extended, False
    authority = inputs.get("isCaCertificate", False)
    # Go takes a length of 0 for one that was left out, and upstream does not tell it otherwise
    length = max(inputs.get("maxPathLength") or 0, 0) or None
    yield x509.BasicConstraints(authority, length), True
    key_id = subject_key_id(holder, inputs)
    if key_id:
        yield x509.SubjectKeyIdentifier(key_id), False
    if issuer.key_id:
        yield x509.AuthorityKeyIdentifier(issuer.key_id, None, None), False
    if holder.names:
        yield x509.SubjectAlternativeName(holder.names), not list(holder.subject)


def _key_id(public_key: Any) -> bytes:
    """SHA-1 of the key's bits (RFC 5280, 4.2.1.2), for ED25519 of upstream's own: those, wrapped as an octet string."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519

    if isinstance(public_key, ed25519.Ed25519PublicKey):
        return hashlib.sha1(b"\x04\x20" + public_key.public_bytes_raw(), usedforsecurity=False).digest()
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest
