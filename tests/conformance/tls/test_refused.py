"""Inputs that are refused: by name, and without telling a key."""

import re
from typing import Any

import pytest

from ..harness import Plugin, Refused
from .making import CA, KEY, LEAF, NAMES, REQUEST, SELF_SIGNED, SIGNED, key_of, leaf_of, pem_of


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (KEY, {}, "'algorithm' is required"),
        (KEY, {"algorithm": "DSA"}, "'algorithm' must be one of RSA, ECDSA, ED25519"),
        (KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P192"}, "'ecdsaCurve' must be one of P224, P256, P384, P521"),
        (KEY, {"algorithm": "RSA", "rsaBits": 512}, "'rsaBits' must be at least 1024"),
        (REQUEST, {"privateKeyPemWo": "k"}, "there is no input 'privateKeyPemWo' here"),
        (REQUEST, {"privateKeyPem": "k", "subject": {"cn": "x"}}, "there is no input 'cn' here"),
        (REQUEST, {"privateKeyPem": "k", "subject": {"country": "CHE"}}, "'subject.country' must be a code of two"),
        (REQUEST, {"privateKeyPem": "k", "subject": {"commonName": "x" * 65}}, "at most 64 characters"),
        (REQUEST, {"privateKeyPem": "k", "subject": {"emailAddress": "ü@x"}}, "'subject.emailAddress' must be plain"),
        (REQUEST, {"privateKeyPem": "k", "dnsNames": ["a", "ü"]}, "'dnsNames[1]' must be plain ASCII"),
        (REQUEST, {"privateKeyPem": "k", "ipAddresses": ["10.0.0.256"]}, "'ipAddresses[0]' must be an IP address"),
        (REQUEST, {"privateKeyPem": "k", "ipAddresses": ["fe80::1%eth0"]}, "'ipAddresses[0]' must be an IP address"),
        (
            SELF_SIGNED,
            {**LEAF, "privateKeyPem": "k", "allowedUses": ["tls"]},
            "'allowedUses[0]' must be one of any_ext",
        ),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "allowedUses": ["encipher_only"]}, "need 'key_agreement'"),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "validityPeriodHours": -1}, "must be between 0 and 2562047"),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "earlyRenewalHours": -1}, "must be between 0 and 2562047"),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "maxPathLength": 1}, "'maxPathLength' is for an authority"),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "maxPathLength": -2}, "'maxPathLength' must be -1"),
        (SELF_SIGNED, {**LEAF, "privateKeyPem": "k", "setAuthorityKeyId": True}, "needs 'setSubjectKeyId'"),
        (SIGNED, {**LEAF, "setAuthorityKeyId": True}, "there is no input 'setAuthorityKeyId' here"),
    ],
)
def test_wrong_inputs_are_named(plugin: Plugin, token: str, inputs: dict[str, Any], reason: str):
    with pytest.raises(Refused, match=re.escape(reason)):
        plugin.check(token, inputs)


@pytest.mark.parametrize("spoilt", ["", "no PEM", "cut", "OPENSSH", "public"])
def test_a_key_that_cannot_be_read_is_named_and_never_told(plugin: Plugin, spoilt: str):
    key = key_of(plugin).outputs
    wrong = {
        "cut": key["privateKeyPem"].replace(key["privateKeyPem"][60:70], ""),
        "OPENSSH": key["privateKeyOpenssh"],
        "public": key["publicKeyPem"],
    }.get(spoilt, spoilt)
    leaf = leaf_of(plugin)
    for token, inputs, name in (
        (REQUEST, {**NAMES}, "privateKeyPem"),
        (SELF_SIGNED, {**CA}, "privateKeyPem"),
        (SIGNED, leaf.inputs, "caPrivateKeyPem"),
    ):
        with pytest.raises(Refused, match=f"^'{name}' holds no private key that can be read; ") as refused:
            plugin.create(token, {**inputs, name: wrong})
        assert not any(line in str(refused.value) for line in wrong.splitlines() if line)


def test_a_request_and_an_authority_that_cannot_be_used_are_named(plugin: Plugin):
    leaf = leaf_of(plugin)
    cut = leaf.outputs["certPem"][:-60]
    for name, said in (
        ("certRequestPem", "^'certRequestPem' holds no certificate request that can be read; "),
        ("caCertPem", "^'caCertPem' holds no certificate that can be read; "),
    ):
        for wrong in ("no PEM", cut):
            with pytest.raises(Refused, match=said):
                plugin.create(SIGNED, {**leaf.inputs, name: wrong})
    with pytest.raises(Refused, match="^'caPrivateKeyPem' is not the key of the certificate in 'caCertPem'; "):
        plugin.create(SIGNED, {**leaf.inputs, "caPrivateKeyPem": pem_of(plugin)})
    with pytest.raises(Refused, match="^the certificate of an authority needs a subject; "):
        plugin.create(SELF_SIGNED, {**CA, "subject": {}, "privateKeyPem": pem_of(plugin)})
