"""The certificate authorities that this machine's owner added to those of its distribution."""

import hashlib
import re
import ssl
from pathlib import Path

_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_SHIPPED = Path("/usr/share/ca-certificates")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def added(bundle: Path = _BUNDLE, shipped: Path = _SHIPPED) -> list[str]:
    """Certificates (PEM) of the machine's bundle that its distribution did not ship, in a stable order.

    A company's proxy that re-signs TLS is among them; without it nothing could be fetched inside an image build.
    What the distribution ships is left out: the image has its own, newer list, and roots that were dropped stay out.
    """
    distributed = {der for file in shipped.rglob("*.crt") for der in _certificates(file)}
    own = {der: pem for der, pem in _certificates(bundle).items() if der not in distributed}
    return [own[der] for der in sorted(own)]


def file_name(pem: str) -> str:
    """What a certificate is called in /usr/local/share/ca-certificates."""
    return f"host-{hashlib.sha256(pem.encode()).hexdigest()[:16]}.crt"


def _certificates(file: Path) -> dict[bytes, str]:
    if not file.is_file():
        return {}
    return {ssl.PEM_cert_to_DER_cert(pem): pem for pem in _PEM.findall(file.read_text(errors="replace"))}
