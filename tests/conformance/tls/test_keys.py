"""Keys: every algorithm, every form, and what each signs."""

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ..harness import Plugin
from .making import CA, KEY, LEAF, SELF_SIGNED, SIGNED, authority_of, certificate, key_of, request_of


@pytest.mark.parametrize(
    ("inputs", "label", "ssh"),
    [
        ({"algorithm": "RSA"}, "RSA PRIVATE KEY", "ssh-rsa"),
        ({"algorithm": "RSA", "rsaBits": 3072}, "RSA PRIVATE KEY", "ssh-rsa"),
        ({"algorithm": "ECDSA"}, "EC PRIVATE KEY", ""),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P384"}, "EC PRIVATE KEY", "ecdsa-sha2-nistp384"),
        ({"algorithm": "ECDSA", "ecdsaCurve": "P521"}, "EC PRIVATE KEY", "ecdsa-sha2-nistp521"),
        ({"algorithm": "ED25519"}, "PRIVATE KEY", "ssh-ed25519"),
    ],
)
def test_a_key_has_every_form(plugin: Plugin, inputs: dict[str, Any], label: str, ssh: str):
    outputs = plugin.create(KEY, inputs).outputs
    assert outputs["privateKeyPem"].startswith(f"-----BEGIN {label}-----\n")
    assert outputs["privateKeyPemPkcs8"].startswith("-----BEGIN PRIVATE KEY-----\n")
    public = load_pem_public_key(outputs["publicKeyPem"].encode())
    for form in ("privateKeyPem", "privateKeyPemPkcs8"):
        assert load_pem_private_key(outputs[form].encode(), None).public_key() == public
    assert outputs["publicKeyOpenssh"].split(" ")[0] == ssh
    assert bool(ssh) == outputs["privateKeyOpenssh"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert bool(ssh) == bool(outputs["publicKeyFingerprintMd5"]) == bool(outputs["publicKeyFingerprintSha256"])


@pytest.mark.parametrize("algorithm", ["RSA", "ECDSA", "ED25519"])
def test_every_kind_of_key_asks_for_and_signs_certificates(plugin: Plugin, algorithm: str):
    key = key_of(plugin, algorithm).outputs["privateKeyPem"]
    authority = authority_of(plugin, privateKeyPem=key, setAuthorityKeyId=True)
    request = request_of(plugin, privateKeyPem=key)
    made = plugin.create(SIGNED, {**LEAF, **authority, "certRequestPem": request.outputs["certRequestPem"]})
    assert made.outputs["caKeyAlgorithm"] == request.outputs["keyAlgorithm"] == algorithm
    assert x509.load_pem_x509_csr(request.outputs["certRequestPem"].encode()).is_signature_valid
    issuer = x509.load_pem_x509_certificate(authority["caCertPem"].encode())
    certificate(made).verify_directly_issued_by(issuer)
    own_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    for signed in (issuer, certificate(made)):
        assert signed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier == own_id


def test_a_larger_curve_signs_with_a_longer_hash(plugin: Plugin):
    for curve, expected in (("P256", hashes.SHA256), ("P384", hashes.SHA384), ("P521", hashes.SHA512)):
        key = key_of(plugin, ecdsaCurve=curve).outputs["privateKeyPem"]
        made = certificate(plugin.create(SELF_SIGNED, {**CA, "privateKeyPem": key}))
        assert isinstance(made.signature_hash_algorithm, expected)
        assert isinstance(made.public_key(), ec.EllipticCurvePublicKey)
