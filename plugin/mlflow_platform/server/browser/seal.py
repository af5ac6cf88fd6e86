"""Secrets that leave this process: encrypted, and bound to the place that they are kept in."""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE = 12  # bytes


class SealBroken(Exception):
    """The text was not sealed with this key for this place, or was changed since."""


class Seal:
    """AES-256-GCM under a key of its own for each purpose; what is sealed for one place opens in no other."""

    def __init__(self, key_material: str, purpose: str):
        derived = HKDF(SHA256(), length=32, salt=None, info=f"mlflow-platform {purpose}".encode())
        self._cipher = AESGCM(derived.derive(key_material.encode()))

    def close(self, content: bytes, place: str) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + self._cipher.encrypt(nonce, content, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
        except (InvalidTag, ValueError):
            raise SealBroken from None
