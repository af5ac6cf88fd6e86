"""What a certificate may be used for: upstream's names of X.509's key usages."""

from typing import TYPE_CHECKING, Any

from ..base import CheckError
from ..values import UNKNOWN

if TYPE_CHECKING:
    from cryptography import x509

# Upstream's name and cryptography's (RFC 5280, 4.2.1.3).
_KEY_USES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
    "encipher_only": "encipher_only",
    "decipher_only": "decipher_only",
}

# RFC 5280, 4.2.1.12; IPsec's of RFC 2459; the last four are Microsoft's and Netscape's own.
_EXTENDED_USES = {
    "any_extended": "2.5.29.37.0",
    "server_auth": "1.3.6.1.5.5.7.3.1",
    "client_auth": "1.3.6.1.5.5.7.3.2",
    "code_signing": "1.3.6.1.5.5.7.3.3",
    "email_protection": "1.3.6.1.5.5.7.3.4",
    "ipsec_end_system": "1.3.6.1.5.5.7.3.5",
    "ipsec_tunnel": "1.3.6.1.5.5.7.3.6",
    "ipsec_user": "1.3.6.1.5.5.7.3.7",
    "timestamping": "1.3.6.1.5.5.7.3.8",
    "ocsp_signing": "1.3.6.1.5.5.7.3.9",
    "microsoft_server_gated_crypto": "1.3.6.1.4.1.311.10.3.3",
    "netscape_server_gated_crypto": "2.16.840.1.113730.4.1",
    "microsoft_commercial_code_signing": "1.3.6.1.4.1.311.2.1.22",
    "microsoft_kernel_code_signing": "1.3.6.1.4.1.311.61.1.1",
}


def check_uses(inputs: dict[str, Any]) -> None:
    """Every use is known, and says something."""
    uses = inputs["allowedUses"]
    if not isinstance(uses, list):  # not known yet
        return
    for index, use in enumerate(uses):
        if use not in _KEY_USES and use not in _EXTENDED_USES and use != UNKNOWN:
            path = f"allowedUses[{index}]"
            raise CheckError(path, f"'{path}' must be one of {', '.join(sorted({*_KEY_USES, *_EXTENDED_USES}))}")
    if {"encipher_only", "decipher_only"} & {*uses} and not {"key_agreement", UNKNOWN} & {*uses}:
        raise CheckError("allowedUses", "'encipher_only' and 'decipher_only' need 'key_agreement', which they restrict")


def key_usage(uses: list[str]) -> "x509.KeyUsage | None":
    """The extension, None where no use is of its kind."""
    from cryptography import x509

    wanted = {field: name in uses for name, field in _KEY_USES.items()}
    return x509.KeyUsage(**wanted) if any(wanted.values()) else None


def extended_key_usage(uses: list[str]) -> "x509.ExtendedKeyUsage | None":
    """The extension, None where no use is of its kind."""
    from cryptography import x509

    wanted = [x509.ObjectIdentifier(_EXTENDED_USES[use]) for use in uses if use in _EXTENDED_USES]
    return x509.ExtendedKeyUsage(wanted) if wanted else None
