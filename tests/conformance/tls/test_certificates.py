"""What is in certificates, and who trusts them."""

import contextlib
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ..harness import Plugin, Refused
from .making import (
    CA,
    CA_USES,
    LEAF,
    REQUEST,
    SELF_SIGNED,
    SIGNED,
    authority_of,
    certificate,
    extensions,
    leaf_of,
    pem_of,
    request_of,
)


def test_a_leaf_is_trusted_for_its_names_and_for_no_other(plugin: Plugin):
    authority = authority_of(plugin)
    request = request_of(plugin).outputs["certRequestPem"]
    leaf = certificate(plugin.create(SIGNED, {**LEAF, **authority, "certRequestPem": request}))
    root = x509.load_pem_x509_certificate(authority["caCertPem"].encode())
    for name in (x509.DNSName("a.example.org"), x509.DNSName("x.b.example.org"), _ip("127.0.0.1"), _ip("::1")):
        chain = PolicyBuilder().store(Store([root])).build_server_verifier(name).verify(leaf, [])
        assert chain == [leaf, root]
    stranger = certificate(plugin.create(SELF_SIGNED, {**CA, "privateKeyPem": pem_of(plugin)}))
    for store, name in ((root, "b.example.org"), (root, "a.x.b.example.org"), (stranger, "a.example.org")):
        verifier = PolicyBuilder().store(Store([store])).build_server_verifier(x509.DNSName(name))
        with pytest.raises(VerificationError):
            verifier.verify(leaf, [])


def _ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_address(text))


def test_openssl_trusts_a_leaf_through_an_authority_in_between(plugin: Plugin, tmp_path: Path):
    root, authority_key, key = authority_of(plugin), pem_of(plugin), pem_of(plugin)
    subject = {"subject": {"commonName": "in between"}, "privateKeyPem": authority_key}
    request = plugin.create(REQUEST, subject).outputs["certRequestPem"]
    between = plugin.create(SIGNED, {**CA_USES, **root, "certRequestPem": request, "isCaCertificate": True})
    leaf = leaf_of(
        plugin,
        certRequestPem=request_of(plugin, privateKeyPem=key).outputs["certRequestPem"],
        caCertPem=between.outputs["certPem"],
        caPrivateKeyPem=authority_key,
    )
    served = tmp_path / "served.pem"
    served.write_text(leaf.outputs["certPem"] + between.outputs["certPem"] + key)
    _shake_hands(served, root["caCertPem"], "a.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        _shake_hands(served, root["caCertPem"], "c.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get"):
        _shake_hands(served, authority_of(plugin)["caCertPem"], "a.example.org")


def _shake_hands(served: Path, trusted: str, host: str) -> None:
    """TLS between a server and a client, in memory; the client is as strict as OpenSSL can be."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(served)
    client = ssl.create_default_context(cadata=trusted)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)]
    for side in [*sides, *sides]:  # TLS 1.3 takes two turns of each
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    assert all(side.version() for side in sides)


def test_what_is_no_authoritys_certificate_signs_all_the_same(plugin: Plugin):
    nobody = authority_of(plugin, isCaCertificate=False)
    leaf = certificate(leaf_of(plugin, **nobody))
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(nobody["caCertPem"].encode()))
    assert x509.AuthorityKeyIdentifier.oid.dotted_string not in dict(extensions(leaf)), "it has no id to name"


def test_every_use_has_its_place(plugin: Plugin):
    with pytest.raises(Refused) as refused:
        plugin.check(SELF_SIGNED, {**LEAF, "allowedUses": ["?"], "privateKeyPem": "k"})
    known = str(refused.value).split("must be one of ")[1].split(", ")
    assert len(known) == 23
    made = certificate(plugin.create(SELF_SIGNED, {**LEAF, "allowedUses": known, "privateKeyPem": pem_of(plugin)}))
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.content_commitment and usage.crl_sign and usage.encipher_only and usage.decipher_only
    extended = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert len({oid.dotted_string for oid in extended}) == 14
    bare = certificate(plugin.create(SELF_SIGNED, {**LEAF, "allowedUses": [], "privateKeyPem": pem_of(plugin)}))
    assert extensions(bare) == [(x509.BasicConstraints.oid.dotted_string, True)]


def test_a_subject_has_its_parts_in_gos_order_and_a_leaf_leaves_the_mail_address_out(plugin: Plugin):
    subject = {
        "commonName": "n",
        "organization": "o",
        "organizationalUnit": "u",
        "country": "CH",
        "locality": "l",
        "province": "p",
        "streetAddresses": ["s 1", "s 2"],
        "postalCode": "1",
        "serialNumber": "2",
        "emailAddress": "a@example.org",
    }
    request = request_of(plugin, subject=subject).outputs["certRequestPem"]
    leaf = certificate(leaf_of(plugin, certRequestPem=request)).subject
    parts = ["C", "O", "OU", "L", "ST", "STREET", "2.5.4.17", "CN", "2.5.4.5"]
    assert [part.rfc4514_string().split("=")[0] for part in leaf.rdns] == parts
    own = certificate(plugin.create(SELF_SIGNED, {**LEAF, "subject": subject, "privateKeyPem": pem_of(plugin)})).subject
    assert [*leaf.rdns, own.rdns[-1]] == own.rdns
    assert own.rdns[-1].rfc4514_string() == "1.2.840.113549.1.9.1=a@example.org"


def test_names_without_a_subject_are_critical(plugin: Plugin):
    request = request_of(plugin, subject={}).outputs["certRequestPem"]
    names = certificate(leaf_of(plugin, certRequestPem=request)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.critical
    assert [name.value for name in names.value] == [
        "a.example.org",
        "*.b.example.org",
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
        "spiffe://example.org/a",
    ]


def test_an_authority_limits_the_chain_below_it(plugin: Plugin):
    for length, limit in ((2, 2), (-1, None), (0, None), (None, None)):
        inputs = {**CA, "privateKeyPem": pem_of(plugin), **({} if length is None else {"maxPathLength": length})}
        constraints = certificate(plugin.create(SELF_SIGNED, inputs)).extensions.get_extension_for_class(
            x509.BasicConstraints
        )
        assert (constraints.value.ca, constraints.value.path_length) == (True, limit)
