"""A certificate that somebody else takes care of: what can be served passes, all else is refused in one sentence."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from components.certificates.files import CertificateError, check, read
from tests.authority import LIFE, Pair, authority, leaf

HOSTS = ["mlflow.ml.example.org", "login.ml.example.org"]
SHA256_RSA, SHA1_RSA = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")


@pytest.fixture(scope="module")
def root() -> Pair:
    return authority("Root")


@pytest.fixture(scope="module")
def issuer(root: Pair) -> Pair:
    return authority("Issuer", root)


@pytest.fixture(scope="module")
def sites(issuer: Pair) -> Pair:
    return leaf(issuer, HOSTS)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def refused(certificate: str, key: str, hosts: list[str] = HOSTS, now: datetime | None = None) -> str:
    """What is said against it: one sentence with a remedy, and no line of the key."""
    with pytest.raises(CertificateError) as caught:
        check(certificate, key, hosts, now)
    said = str(caught.value)
    assert re.fullmatch(r"tls\.(certificate|key): [^\n]+(; | and after )[^\n]+[^.\n]", said)
    assert not [line for line in key.splitlines() if len(line) > 8 and line in said]
    assert caught.value.__context__ is None or caught.value.__suppress_context__  # whose text might quote it
    return said


def test_a_chain_is_served_with_or_without_its_root_and_so_is_a_leaf_whose_issuer_clients_have(
    root: Pair, issuer: Pair, sites: Pair
):
    check(sites.pem + issuer.pem + root.pem, sites.key_pem, HOSTS)
    check(sites.pem + issuer.pem, sites.key_pem, HOSTS)
    check(sites.pem, sites.key_pem, HOSTS)


def test_a_file_may_say_more_than_pem_as_exports_of_other_programs_do(issuer: Pair, sites: Pair):
    bag = "Bag Attributes\r\n    friendlyName: sites\r\n"
    check(bag + sites.pem.replace("\n", "\r\n") + bag + issuer.pem, bag + sites.key_pem, HOSTS)


def test_an_rsa_pair_is_served_and_so_is_one_on_p384(issuer: Pair, rsa_key: rsa.RSAPrivateKey):
    for key in (rsa_key, ec.generate_private_key(ec.SECP384R1())):
        pair = leaf(issuer, HOSTS, key=key)
        check(pair.pem + issuer.pem, pair.key_pem, HOSTS)


def test_a_chain_in_the_wrong_order_is_told_its_order(root: Pair, issuer: Pair, sites: Pair):
    said = refused(issuer.pem + sites.pem, sites.key_pem)
    assert "CN=mlflow.ml.example.org, whose key tls.key is, does not stand first" in said
    said = refused(sites.pem + root.pem + issuer.pem, sites.key_pem)
    assert "CN=Root has not issued CN=mlflow.ml.example.org" in said and "without others" in said


def test_a_chain_with_a_gap_is_refused(root: Pair, sites: Pair):
    assert "CN=Root has not issued CN=mlflow.ml.example.org" in refused(sites.pem + root.pem, sites.key_pem)


def test_a_certificate_that_has_nothing_to_do_with_it_is_refused_even_one_of_the_issuers_name(sites: Pair):
    for other in (authority("Other"), authority("Issuer")):
        assert "has not issued" in refused(sites.pem + other.pem, sites.key_pem)


def test_the_day_on_which_it_expired_is_named(issuer: Pair, sites: Pair):
    expired = leaf(issuer, HOSTS, since=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), life=timedelta(days=1))
    said = refused(expired.pem, expired.key_pem)
    assert "CN=mlflow.ml.example.org has expired on 2026-01-03 03:04 UTC" in said
    refused(sites.pem, sites.key_pem, now=datetime.now(UTC) + LIFE)


def test_the_day_from_which_on_it_is_valid_is_named(issuer: Pair):
    early = leaf(issuer, HOSTS, since=datetime(2999, 1, 2, 3, 5, tzinfo=UTC))
    assert "is valid only from 2999-01-02 03:04 UTC" in refused(early.pem, early.key_pem)


def test_an_issuer_that_has_expired_is_named(root: Pair):
    short = authority("Short", root, life=timedelta(hours=1))
    pair = leaf(short, HOSTS)
    assert "CN=Short has expired" in refused(pair.pem + short.pem, pair.key_pem, now=datetime.now(UTC) + LIFE / 2)


def test_the_names_that_it_lacks_are_listed(sites: Pair):
    said = refused(sites.pem, sites.key_pem, [*HOSTS, "s3.ml.example.org", "console.ml.example.org"])
    assert "is not for s3.ml.example.org, console.ml.example.org;" in said


def test_a_certificate_without_names_is_for_nobody():
    nameless = authority("mlflow.ml.example.org")
    assert "is not for mlflow.ml.example.org" in refused(nameless.pem, nameless.key_pem)


def test_a_wildcard_is_for_one_label_and_not_for_the_domain_itself(issuer: Pair):
    pair = leaf(issuer, ["*.ml.example.org"])
    check(pair.pem, pair.key_pem, HOSTS)
    others = ["ml.example.org", "a.mlflow.ml.example.org", "ml-example.org"]
    assert f"is not for {', '.join(others)};" in refused(pair.pem, pair.key_pem, [*HOSTS, *others])


def test_names_are_the_same_in_capital_letters(issuer: Pair):
    pair = leaf(issuer, ["MLflow.ML.example.org", "*.ML.Example.Org"])
    check(pair.pem, pair.key_pem, HOSTS)


def test_an_address_has_to_be_listed_as_one(issuer: Pair):
    pair = leaf(issuer, ["10.0.0.5"])
    check(pair.pem, pair.key_pem, ["10.0.0.5"])
    assert "is not for 10.0.0.6" in refused(pair.pem, pair.key_pem, ["10.0.0.6"])
    wildcard = leaf(issuer, ["*.0.0.5"])
    assert "is not for 10.0.0.5" in refused(wildcard.pem, wildcard.key_pem, ["10.0.0.5"])


def test_the_key_of_another_certificate_is_refused(issuer: Pair, sites: Pair, rsa_key: rsa.RSAPrivateKey):
    for other in (leaf(issuer, HOSTS), leaf(issuer, HOSTS, key=rsa_key)):
        assert refused(sites.pem, other.key_pem).startswith("tls.key: is not the key of the first certificate")


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_an_encrypted_key_is_refused_however_it_is_written(sites: Pair, form: PrivateFormat):
    key = sites.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"passphrase")).decode()
    assert refused(sites.pem, key).startswith("tls.key: is encrypted")


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP521R1())], ids=["Ed25519", "P-521"]
)
def test_a_key_that_some_browsers_do_not_take_is_refused(issuer: Pair, key: ed25519.Ed25519PrivateKey):
    pair = leaf(issuer, HOSTS, key=key)
    assert refused(pair.pem, pair.key_pem).startswith("tls.key: is neither RSA nor ECDSA on P-256 or P-384")


def test_a_short_rsa_key_is_refused(issuer: Pair):
    pair = leaf(issuer, HOSTS, key=rsa.generate_private_key(65537, 1024))
    assert "CN=mlflow.ml.example.org has an RSA key of 1024 bits" in refused(pair.pem, pair.key_pem)


def test_a_signature_that_could_be_forged_is_refused(rsa_key: rsa.RSAPrivateKey):
    pair = leaf(authority(key=rsa_key), HOSTS)
    der = pair.certificate.public_bytes(Encoding.DER).replace(SHA256_RSA, SHA1_RSA)
    forged = Pair(x509.load_der_x509_certificate(der), pair.key)
    assert "is signed with SHA1" in refused(forged.pem, forged.key_pem)


@pytest.mark.parametrize("text", ["", "nothing of the kind", "-----BEGIN CERTIFICATE-----\nMIIB\n"])
def test_what_is_no_certificate_or_no_key_is_refused(sites: Pair, text: str):
    assert refused(text, sites.key_pem).startswith("tls.certificate: has no certificate in PEM, or a broken one")
    assert refused(sites.pem, text).startswith("tls.key: has no private key in PEM, or a broken one")


def test_what_is_broken_in_the_middle_is_refused(issuer: Pair, sites: Pair):
    half = "\n".join(sites.pem.splitlines()[::2]) + "\n"
    assert "a broken one" in refused(half, sites.key_pem)
    assert "a broken one" in refused(sites.pem + issuer.pem.replace("MII", "MIX", 1), sites.key_pem)
    assert "a broken one" in refused(sites.pem, sites.key_pem.replace("M", "N", 1))


def test_the_two_files_in_each_others_place_are_refused(sites: Pair):
    assert refused(sites.key_pem, sites.pem).startswith("tls.certificate: ")


def test_a_key_among_the_certificates_is_refused_for_it_would_be_kept_as_no_secret(sites: Pair):
    assert "holds a private key, too" in refused(sites.pem + sites.key_pem, sites.key_pem)


def test_a_file_is_read_from_the_projects_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/chain.pem").write_text("text of the file")
    assert read("tls.certificate", "tls/chain.pem") == "text of the file"
    assert read("tls.certificate", str(tmp_path / "tls/chain.pem")) == "text of the file"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing.pem", "No such file or directory"), ("folder", "Is a directory"), ("binary.der", "convert it to PEM")],
)
@pytest.mark.parametrize("setting", ["tls.certificate", "tls.key", "tls.directory_ca"])
def test_what_cannot_be_read_is_named_with_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sites: Pair, setting: str, path: str, reason: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary.der").write_bytes(sites.certificate.public_bytes(Encoding.DER))
    with pytest.raises(CertificateError, match=rf"^{re.escape(setting)}: [^\n]*{path}[^\n]*{reason}[^\n]*$"):
        read(setting, path)
