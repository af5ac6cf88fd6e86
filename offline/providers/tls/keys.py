"""Private keys: what reads one, and what signing with one takes."""

import re
from typing import TYPE_CHECKING

from ..base import ProviderError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

_READABLE = re.compile(r"-----BEGIN (RSA |EC )?PRIVATE KEY-----")  # no OpenSSH keys and no encrypted ones


def read_key(pem: str, name: str) -> "PrivateKey":
    """The key in the property of the given name; an error tells the name only, never what the library says of a key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None) if _READABLE.search(pem) else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        return key
    raise ProviderError(
        f"'{name}' holds no private key that can be read; give it the PEM text of an RSA, ECDSA or ED25519 key, "
        "such as the privateKeyPem of a PrivateKey"
    )


def algorithm(key: "PrivateKey") -> str:
    """Upstream's name of a key's algorithm."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPrivateKey):
        return "RSA"
    return "ECDSA" if isinstance(key, ec.EllipticCurvePrivateKey) else "ED25519"


def signing_hash(key: "PrivateKey") -> "SHA256 | SHA384 | SHA512 | None":
    """What Go's crypto/x509 signs with where nothing is asked for: SHA-256, and as many bits as a larger curve has."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PrivateKey):
        return None  # it hashes by itself
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else ""
    return {"secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}.get(curve, hashes.SHA256())
