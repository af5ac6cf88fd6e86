"""Private keys, in every form that a program may need one in."""

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop
from ..values import UNKNOWN
from .state import StateOnly, digest

if TYPE_CHECKING:
    from . import keys

_ALGORITHMS = ("RSA", "ECDSA", "ED25519")
_CURVES = ("P224", "P256", "P384", "P521")
_SMALLEST = 1024  # bits; Go's crypto/rsa makes no smaller key since 1.24, nor does cryptography


class PrivateKey(StateOnly):
    """tls:index/privateKey:PrivateKey; the id is a digest of the public key.

    SSH knows no curve P224: with it all that is in SSH's form is the empty text.
    Source: internal/provider/resource_private_key.go and common_key.go of hashicorp/terraform-provider-tls.
    """

    token = "tls:index/privateKey:PrivateKey"
    properties = {
        "algorithm": Prop(str, required=True, replaces=True),
        "rsaBits": Prop(int, implied=2048, replaces=True),
        "ecdsaCurve": Prop(str, implied="P224", replaces=True),
        "privateKeyPem": Prop(str, output=True, secret=True),
        "privateKeyPemPkcs8": Prop(str, output=True, secret=True),
        "privateKeyOpenssh": Prop(str, output=True, secret=True),
        "publicKeyPem": Prop(str, output=True),
        "publicKeyOpenssh": Prop(str, output=True),
        "publicKeyFingerprintMd5": Prop(str, output=True),
        "publicKeyFingerprintSha256": Prop(str, output=True),
    }
    meta = '{"schema_version":"1"}'

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        for name, known in (("algorithm", _ALGORITHMS), ("ecdsaCurve", _CURVES)):
            if name in inputs and inputs[name] not in (*known, UNKNOWN):
                raise CheckError(name, f"'{name}' must be one of {', '.join(known)}")
        bits = inputs.get("rsaBits")
        if isinstance(bits, int) and bits < _SMALLEST:
            raise CheckError("rsaBits", f"'rsaBits' must be at least {_SMALLEST}: a smaller key is not safe")
        return inputs

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        chosen = {"rsaBits": 2048, "ecdsaCurve": "P224", **inputs}
        key = _generate(chosen)
        public = key.public_key()
        outputs = {
            **chosen,
            **_private_forms(key),
            "publicKeyPem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            **_ssh_forms(key),
        }
        return digest(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)), outputs


def _generate(chosen: dict[str, Any]) -> "keys.PrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if chosen["algorithm"] == "RSA":
        return rsa.generate_private_key(65537, chosen["rsaBits"])
    if chosen["algorithm"] == "ED25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"P224": ec.SECP224R1(), "P256": ec.SECP256R1(), "P384": ec.SECP384R1(), "P521": ec.SECP521R1()}
    return ec.generate_private_key(curves[chosen["ecdsaCurve"]])


def _private_forms(key: "keys.PrivateKey") -> dict[str, str]:
    """The algorithm's own form (PKCS #1 or SEC 1; ED25519 has none but PKCS #8), PKCS #8 and OpenSSH's."""
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    def pem(form: PrivateFormat) -> str:
        return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    own = PrivateFormat.PKCS8 if isinstance(key, ed25519.Ed25519PrivateKey) else PrivateFormat.TraditionalOpenSSL
    return {
        "privateKeyPem": pem(own),
        "privateKeyPemPkcs8": pem(PrivateFormat.PKCS8),
        "privateKeyOpenssh": pem(PrivateFormat.OpenSSH) if _in_ssh(key) else "",
    }


def _ssh_forms(key: "keys.PrivateKey") -> dict[str, str]:
    """The line of an authorized_keys file, and the fingerprints that ssh-keygen shows."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not _in_ssh(key):
        return {"publicKeyOpenssh": "", "publicKeyFingerprintMd5": "", "publicKeyFingerprintSha256": ""}
    line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(line.split()[1])
    sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return {
        "publicKeyOpenssh": f"{line.decode()}\n",
        "publicKeyFingerprintMd5": hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        "publicKeyFingerprintSha256": f"SHA256:{sha256}",
    }


def _in_ssh(key: "keys.PrivateKey") -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    return not (isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp224r1")
