"""Who a certificate is for: its subject and its alternative names."""

import ipaddress
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError
from ..values import UNKNOWN

if TYPE_CHECKING:
    from cryptography import x509

SUBJECT = {
    "country": Prop(str),
    "organization": Prop(str),
    "organizationalUnit": Prop(str),
    "locality": Prop(str),
    "province": Prop(str),
    "streetAddresses": Prop(list, of=str),
    "postalCode": Prop(str),
    "commonName": Prop(str),
    "serialNumber": Prop(str),
    "emailAddress": Prop(str),
}
"""A subject's parts, in the order in which Go's crypto/x509/pkix writes them."""

PROPERTIES = {
    "subject": Prop(dict, of=SUBJECT, replaces=True),
    "dnsNames": Prop(list, of=str, replaces=True),
    "ipAddresses": Prop(list, of=str, replaces=True),
    "uris": Prop(list, of=str, replaces=True),
}


def check_names(inputs: dict[str, Any]) -> None:
    """What X.509 does not take."""
    subject = inputs.get("subject")
    if isinstance(subject, dict):
        _check_subject(subject)
    for name in ("dnsNames", "uris"):
        for index, text in enumerate(_items(inputs, name)):
            if not text or not text.isascii():
                path = f"{name}[{index}]"
                raise CheckError(path, f"'{path}' must be plain ASCII; write an international name in its xn-- form")
    for index, text in enumerate(_items(inputs, "ipAddresses")):
        if text != UNKNOWN and _address(text) is None:
            path = f"ipAddresses[{index}]"
            raise CheckError(path, f"'{path}' must be an IP address, such as 127.0.0.1 or ::1")


def _check_subject(subject: dict[str, Any]) -> None:
    country, name, mail = (subject.get(key) or "" for key in ("country", "commonName", "emailAddress"))
    if country not in ("", UNKNOWN) and not (len(country) == 2 and country.isascii()):
        raise CheckError("subject.country", "'subject.country' must be a code of two letters, such as CH")
    if len(name.encode()) > 64:
        raise CheckError("subject.commonName", "'subject.commonName' must have at most 64 characters")
    if not mail.isascii():
        raise CheckError("subject.emailAddress", "'subject.emailAddress' must be plain ASCII")


def subject_name(subject: dict[str, Any] | None) -> "x509.Name":
    """The distinguished name; what is left out or empty is no part of it."""
    from cryptography import x509

    parts = []
    for key, oid in _oids().items():
        value = (subject or {}).get(key)
        texts = [text for text in (value if isinstance(value, list) else [value]) if text]
        if texts:  # several street addresses are one part
            attributes = [x509.NameAttribute(oid, text) for text in dict.fromkeys(texts)]
            parts.append(x509.RelativeDistinguishedName(attributes))
    return x509.Name(parts)


def signed_subject(request: "x509.CertificateSigningRequest") -> "x509.Name":
    """The part of a request's subject that upstream signs: no mail address, and nothing that it does not know."""
    from cryptography import x509

    known = {oid for key, oid in _oids().items() if key != "emailAddress"}
    return x509.Name([part for part in request.subject.rdns if all(attribute.oid in known for attribute in part)])


def alternative_names(inputs: dict[str, Any]) -> "list[x509.GeneralName]":
    """DNS names, addresses and URIs, in this order."""
    from cryptography import x509

    addresses = [_address(text) for text in _items(inputs, "ipAddresses")]
    try:
        return [
            *(x509.DNSName(text) for text in _items(inputs, "dnsNames")),
            *(x509.IPAddress(address) for address in addresses if address),
            *(x509.UniformResourceIdentifier(text) for text in _items(inputs, "uris")),
        ]
    except ValueError as error:
        raise ProviderError(f"the names cannot be those of a certificate: {error}") from None


def signed_names(request: "x509.CertificateSigningRequest") -> "list[x509.GeneralName]":
    """The alternative names of a request that upstream signs."""
    from cryptography import x509

    try:
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    return [name for kind in kinds for name in names if isinstance(name, kind)]


def _items(inputs: dict[str, Any], name: str) -> list[str]:
    """A list's items; none while it is not known."""
    found = inputs.get(name)
    return found if isinstance(found, list) else []


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address as Go reads it: one that embeds an IPv4 address is that, and none has a zone."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    return None if address.scope_id else address.ipv4_mapped or address


def _oids() -> "dict[str, x509.ObjectIdentifier]":
    from cryptography.x509.oid import NameOID

    return {
        "country": NameOID.COUNTRY_NAME,
        "organization": NameOID.ORGANIZATION_NAME,
        "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "locality": NameOID.LOCALITY_NAME,
        "province": NameOID.STATE_OR_PROVINCE_NAME,
        "streetAddresses": NameOID.STREET_ADDRESS,
        "postalCode": NameOID.POSTAL_CODE,
        "commonName": NameOID.COMMON_NAME,
        "serialNumber": NameOID.SERIAL_NUMBER,
        "emailAddress": NameOID.EMAIL_ADDRESS,
    }
