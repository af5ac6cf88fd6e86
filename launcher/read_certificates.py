"""Certificates (a JSON list of PEM) from stdin as one JSON object a line; run by the program's own Python.

The standard library, which is all that the launcher itself has, does not read certificates.
"""

import json
import sys

from cryptography import x509


def described(pem: str) -> dict[str, object]:
    """Issuer, names, and the times between which it is valid (ISO 8601)."""
    found = x509.load_pem_x509_certificate(pem.encode())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = []
    issuer = [
        str(part.value)
        for oid in (x509.NameOID.ORGANIZATION_NAME, x509.NameOID.COMMON_NAME)
        for part in found.issuer.get_attributes_for_oid(oid)
    ]
    return {
        "issuer": " ".join(issuer),
        "names": [str(name.value) for name in names],
        "since": found.not_valid_before_utc.isoformat(),
        "until": found.not_valid_after_utc.isoformat(),
    }


if __name__ == "__main__":
    for certificate in json.load(sys.stdin):
        print(json.dumps(described(certificate)))
