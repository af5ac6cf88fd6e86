"""Local accounts: what a password needs, the mails that Keycloak sends, and whose certificates it believes."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.named_files import NamedFileError
from tests.authority import authority

from .graph import DEV, PROJECT, Graph, Resource, declare

SMTP = {"host": "mail.example.org", "sender": "ml@example.org"}
CONF = "/opt/keycloak/conf"


def with_settings(**settings: Any) -> Graph:
    return declare({**DEV, **{f"{PROJECT}:{key}": json.dumps(value) for key, value in settings.items()}})


def realm(graph: Graph) -> Resource:
    return graph.the("realm:Realm", "keycloak-realm")


def by_mail(graph: Graph) -> dict[str, Any]:
    return {key: realm(graph).inputs.get(key) for key in ("resetPasswordAllowed", "verifyEmail", "smtpServer")}


def test_without_a_mail_server_nothing_is_promised_by_mail(dev: Graph):
    assert by_mail(dev) == {"resetPasswordAllowed": False, "verifyEmail": False, "smtpServer": None}


def test_with_one_forgotten_passwords_are_renewed_and_addresses_confirmed():
    wanted = {
        "host": "mail.example.org",
        "port": "465",
        "ssl": True,
        "starttls": False,
        "from": "ml@example.org",
        "fromDisplayName": "MLflow",
    }
    assert by_mail(with_settings(smtp=SMTP)) == {
        "resetPasswordAllowed": True,
        "verifyEmail": True,
        "smtpServer": wanted,
    }


@pytest.mark.parametrize(
    ("encryption", "port", "ssl", "starttls"),
    [("tls", "465", True, False), ("starttls", "587", False, True), ("none", "25", False, False)],
)
def test_each_encryption_has_its_port(encryption: str, port: str, ssl: bool, starttls: bool):
    smtp = {**SMTP, "host": "relay.internal", "encryption": encryption}
    server = realm(with_settings(smtp=smtp)).inputs["smtpServer"]
    assert (server["port"], server["ssl"], server["starttls"]) == (port, ssl, starttls)


def test_the_mail_servers_password_comes_from_a_file_and_is_a_secret(tmp_path: Path):
    (tmp_path / "password").write_text("hush-hush\n")
    graph = with_settings(smtp={**SMTP, "user": "ml", "password_file": str(tmp_path / "password")})
    assert realm(graph).inputs["smtpServer"]["auth"] == {"username": "ml", "password": "hush-hush"}
    assert "smtpServer" in realm(graph).secret
    assert [made.name for made in graph.resources if "hush-hush" in json.dumps(made.inputs)] == ["keycloak-realm"]


@pytest.mark.parametrize("content", ["", "\n", "hush\nhush", "hush\x00"])
def test_a_password_of_no_line_or_several_is_refused_and_never_quoted(tmp_path: Path, content: str):
    (tmp_path / "password").write_text(content)
    with pytest.raises(NamedFileError) as caught:
        with_settings(smtp={**SMTP, "user": "ml", "password_file": str(tmp_path / "password")})
    assert str(caught.value) == f"smtp.password_file: {tmp_path / 'password'} needs one line, and nothing else"


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        ({}, "length(12) and notContainsUsername(undefined) and notEmail(undefined)"),
        (
            {"passwords": {"length": 16, "history": 3}},
            "length(16) and notContainsUsername(undefined) and notEmail(undefined) and passwordHistory(3)",
        ),
    ],
)
def test_passwords_are_long_and_not_what_everybody_knows_of_their_owner(settings: dict[str, Any], policy: str):
    assert realm(with_settings(**settings)).inputs["passwordPolicy"] == policy


def test_keycloak_believes_authorities_of_the_stacks_besides_those_that_everybody_knows(tmp_path: Path, dev: Graph):
    one, other = authority("one"), authority("other")
    (tmp_path / "one.pem").write_text(f"# of our own\n{one.pem}{one.key_pem}")
    (tmp_path / "other.pem").write_text(other.pem)
    graph = with_settings(trusted_authorities=[str(tmp_path / "one.pem"), str(tmp_path / "other.pem")])
    assert graph.upload("keycloak", f"{CONF}/authorities.pem") == one.pem + other.pem  # and no key
    assert f"truststore-paths={CONF}/authorities.pem\n" in graph.upload("keycloak", f"{CONF}/keycloak.conf")
    assert "truststore" not in dev.upload("keycloak", f"{CONF}/keycloak.conf")


def test_a_file_without_an_authority_is_refused_and_never_quoted(tmp_path: Path):
    (tmp_path / "key.pem").write_text(authority().key_pem)
    with pytest.raises(NamedFileError) as caught:
        with_settings(trusted_authorities=[str(tmp_path / "key.pem")])
    said = str(caught.value)
    assert said.startswith(f"trusted_authorities: {tmp_path / 'key.pem'} holds no certificate in PEM")
    assert "PRIVATE" not in said
