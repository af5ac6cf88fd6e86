"""Each type's life, and the recordings of the official plugin: outputs, secrets, ids, the build of certificates."""

import base64
import hashlib
import re
from typing import Any

import pytest
from cryptography import x509

from ..harness import Case, Plugin, Refused, live
from ..test_recordings import RECORDED
from .making import (
    KEY,
    LEAF,
    NAMES,
    REQUEST,
    SELF_SIGNED,
    SIGNED,
    authority_of,
    certificate,
    extensions,
    key_of,
    leaf_of,
    pem_of,
    request_of,
)

recorded_only = pytest.mark.skipif(KEY not in RECORDED, reason="there are no recordings of the official plugin")


def life(token: str, plugin: Plugin) -> Case:
    key = pem_of(plugin)
    if token == KEY:
        inputs, update, replace = {"algorithm": "ED25519"}, None, {"algorithm": "ECDSA"}
    elif token == REQUEST:
        inputs, update, replace = {**NAMES, "privateKeyPem": key}, None, {"privateKeyPem": key}
    else:
        whose = {"privateKeyPem": key} if token == SELF_SIGNED else leaf_of(plugin).inputs
        inputs = {**LEAF, **whose}
        update, replace = {**inputs, "earlyRenewalHours": 24}, {**inputs, "validityPeriodHours": 4320}
    return Case(token, inputs, update=update, replace=replace, importable=False)


@pytest.mark.parametrize("token", [KEY, REQUEST, SELF_SIGNED, SIGNED])
def test_life(plugin: Plugin, token: str):
    live(plugin, life(token, plugin))


@pytest.mark.parametrize("token", [KEY, REQUEST, SELF_SIGNED, SIGNED])
def test_an_import_is_refused(plugin: Plugin, token: str):
    with pytest.raises(Refused, match=f"^a tls {token.split(':')[-1]} cannot be imported"):
        plugin.imported(token, "anything")


@recorded_only
@pytest.mark.parametrize("token", [KEY, REQUEST, SELF_SIGNED, SIGNED])
def test_outputs_and_secrets_are_those_of_the_official_plugin(plugin: Plugin, token: str):
    for example in RECORDED[token]["examples"]:
        inputs = _with_keys(plugin, example["inputs"])
        made = plugin.create(token, inputs)
        assert _shape(made.outputs) == _shape(example["outputs"])
        assert made.secrets == {name for name in example["secret_outputs"] if not name.endswith("Wo")}


def _with_keys(plugin: Plugin, recorded: dict[str, Any]) -> dict[str, Any]:
    """Recorded inputs, with keys for those that the recording leaves out, and with the certificate of such a key."""
    mine = {"privateKeyPem": pem_of(plugin), **authority_of(plugin)}
    if "privateKeyPem" in recorded and "RSA" in recorded["privateKeyPem"]:
        mine["privateKeyPem"] = key_of(plugin, "RSA").outputs["privateKeyPem"]
    return {name: mine.get(name, value) for name, value in recorded.items()}


def _shape(outputs: dict[str, Any]) -> dict[str, Any]:
    """What is alike in the outputs of any two runs: PEM labels, lengths of ids, the form of times."""
    said = {name: value for name, value in outputs.items() if name != "__pulumi_raw_state_delta" and value is not None}
    return {name: _form(value) if isinstance(value, str) else value for name, value in said.items()}


def _form(text: str) -> str:
    if text.startswith("-----BEGIN"):
        return "".join(re.findall("-----.*?-----\n", text))
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", "(time)", text)
    text = re.sub(r"([0-9a-f]{2}:){15}[0-9a-f]{2}|\b[0-9a-f]{40}\b|\b\d{30,39}\b", "(digest or number)", text)
    return re.sub(r"[A-Za-z0-9+/]{43,}=*", "(base64)", text)


@recorded_only
@pytest.mark.parametrize("token", [SELF_SIGNED, SIGNED])
def test_a_certificate_is_built_like_the_official_plugins(plugin: Plugin, token: str):
    example = RECORDED[token]["examples"][0]
    official = certificate(example["outputs"])
    made = certificate(plugin.create(token, _with_keys(plugin, example["inputs"])))
    assert extensions(made) == extensions(official)
    assert made.subject.rfc4514_string() == official.subject.rfc4514_string()
    assert made.version == official.version
    assert made.signature_algorithm_oid == official.signature_algorithm_oid
    kinds = (x509.KeyUsage, x509.BasicConstraints)
    for kind in kinds:
        theirs = official.extensions.get_extension_for_class(kind)
        assert made.extensions.get_extension_for_class(kind) == theirs
    if token == SIGNED:
        kinds = (x509.ExtendedKeyUsage, x509.SubjectAlternativeName, x509.SubjectKeyIdentifier)
        for kind in kinds:  # of the same request, so even the key's id is the same
            theirs = official.extensions.get_extension_for_class(kind)
            assert made.extensions.get_extension_for_class(kind) == theirs


@recorded_only
def test_ids_and_fingerprints_are_made_as_officially(plugin: Plugin):
    made = [key_of(plugin), key_of(plugin, "RSA"), key_of(plugin, "ED25519")]
    pairs = [(key.id, key.outputs) for key in made]
    for id, outputs in [*pairs, *((example["id"], example["outputs"]) for example in RECORDED[KEY]["examples"])]:
        assert id == _sha1(outputs["publicKeyPem"])
        blob = base64.b64decode(outputs["publicKeyOpenssh"].split()[1])
        assert outputs["publicKeyFingerprintMd5"] == hashlib.md5(blob).digest().hex(":")
        sha256 = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        assert outputs["publicKeyFingerprintSha256"] == f"SHA256:{sha256}"
    request = request_of(plugin)
    example = RECORDED[REQUEST]["examples"][0]
    for id, outputs in [(request.id, request.outputs), (example["id"], example["outputs"])]:
        assert id == _sha1(outputs["certRequestPem"])
    leaf = leaf_of(plugin)
    example = RECORDED[SIGNED]["examples"][0]
    for id, outputs in [(leaf.id, leaf.outputs), (example["id"], example["outputs"])]:
        assert id == str(certificate(outputs).serial_number)


def _sha1(pem: str) -> str:
    return hashlib.sha1(base64.b64decode("".join(pem.splitlines()[1:-1])).strip()).hexdigest()
