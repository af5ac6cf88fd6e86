"""Every way to forge, reuse or bend a token, each refused by the running server."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import serialize_compact

from tests.plugin.conftest import Server
from tests.plugin.idp import MISSING

WHO = "/api/2.0/mlflow/users/current"


def refused(server: Server, token: str, because: str) -> None:
    answer = server.ask(token, "GET", WHO)
    assert answer.status_code == 401
    assert because in answer.json()["message"]
    assert token not in answer.text


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_good_token_is_taken(server: Server) -> None:
    answer = server.ask(server.realm.token("ada"), "GET", WHO)
    assert answer.json()["user"]["username"] == "ada"


@pytest.mark.parametrize("name", ["none", "None", "NONE"])
def test_without_a_signature(server: Server, name: str) -> None:
    token = f"{part({'alg': name, 'typ': 'JWT', 'kid': 'first'})}.{part(server.realm.claims())}."
    refused(server, token, "algorithm")


def test_signed_with_the_public_key_as_a_shared_secret(server: Server) -> None:
    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{part(server.realm.claims())}"
    digest = hmac.digest(server.realm.keys[0].as_pem(private=False), signed.encode(), "sha256")
    refused(server, f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}", "algorithm")


def test_signed_with_the_client_secret(server: Server) -> None:
    secret = OctKey.import_key("the-client-secret-of-minio-or-mlflow")
    header = {"alg": "HS256", "typ": "JWT", "kid": "first"}
    refused(server, jwt.encode(header, server.realm.claims(), secret, algorithms=["HS256"]), "algorithm")


def test_with_an_algorithm_that_is_not_the_keys(server: Server) -> None:
    same_key = {name: value for name, value in server.realm.keys[0].as_dict(private=True).items() if name != "alg"}
    token = server.realm.sign(server.realm.claims(), RSAKey.import_key(same_key), alg="PS256")
    refused(server, token, "algorithm is not the key's")


@pytest.mark.parametrize("issuer", ["http://keycloak.example/realms/other", "http://keycloak.example/realms/test/", ""])
def test_from_another_issuer(server: Server, issuer: str) -> None:
    refused(server, server.realm.token(iss=issuer), "issuer")


@pytest.mark.parametrize("audience", [MISSING, "minio", ["minio", "account"], [], None, "mlflow2", {"mlflow": 1}])
def test_for_another_audience(server: Server, audience: Any) -> None:
    refused(server, server.realm.token(aud=audience), "audience")


def test_expired(server: Server) -> None:
    refused(server, server.realm.token(iat=int(time.time()) - 400, exp=int(time.time()) - 60), "expired")


@pytest.mark.parametrize("expiry", [MISSING, None, "soon", "9999999999", True, -1, float("inf"), 10**30])
def test_without_a_usable_expiry(server: Server, expiry: Any) -> None:
    refused(server, server.realm.token(exp=expiry), "exp")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_not_yet_valid(server: Server, claim: str) -> None:
    refused(server, server.realm.sign({**server.realm.claims(), claim: int(time.time()) + 120}), "not valid yet")


def test_with_an_unknown_key_id(server: Server) -> None:
    refused(server, server.realm.sign(server.realm.claims(), kid="made-up"), "key that the realm does not have")


def test_without_a_key_id(server: Server) -> None:
    refused(server, server.realm.sign(server.realm.claims(), kid=""), "names no key")


def test_with_the_encryption_key_of_the_realm(server: Server) -> None:
    refused(server, server.realm.sign(server.realm.claims(), kid="enc"), "key that the realm does not have")


@pytest.mark.parametrize("kid", ["first", "theirs"])
def test_from_another_realms_key(server: Server, kid: str) -> None:
    theirs = RSAKey.generate_key(2048, {"kid": kid})
    refused(server, server.realm.sign(server.realm.claims(), theirs), "it")


def test_with_a_key_of_its_own_in_the_header(server: Server) -> None:
    mine = RSAKey.generate_key(2048, {"kid": "first"})
    token = server.realm.sign(server.realm.claims(), mine, jwk=mine.as_dict(private=False))
    refused(server, token, "it is not")


@pytest.mark.parametrize("kind", ["ID", "Refresh", "Offline", "Logout", MISSING, ""])
def test_that_is_not_an_access_token(server: Server, kind: Any) -> None:
    refused(server, server.realm.token(typ=kind), "not an access token")


def test_that_is_a_logout_token_by_its_header(server: Server) -> None:
    refused(server, server.realm.sign(server.realm.claims(), typ="logout+jwt"), "not an access token")


def test_with_a_changed_payload(server: Server) -> None:
    header, _, signature = server.realm.token("eve", ("viewers",)).split(".")
    forged = part(server.realm.claims("eve", ("admins",)))
    refused(server, f"{header}.{forged}.{signature}", "signature")


def test_with_another_tokens_signature(server: Server) -> None:
    header, payload, _ = server.realm.token("eve").split(".")
    refused(server, f"{header}.{payload}.{server.realm.token('ada').split('.')[2]}", "signature")


def test_that_is_too_long(server: Server) -> None:
    refused(server, server.realm.token(padding="x" * 40_000), "longer than")


@pytest.mark.parametrize("garbage", ["x", "x.y", "x.y.z", "...", "e30.e30.e30", "null.null.null", "a.b.c.d.e", "é"])
def test_garbage(server: Server, garbage: str) -> None:
    headers = {b"Authorization": f"Bearer {garbage}".encode()}
    assert server.http.get(WHO, headers=headers).status_code == 401


@pytest.mark.parametrize("payload", ["[]", '"text"', "null", "1", "{", "\ud83d"])
def test_that_signs_something_else_than_claims(server: Server, payload: str) -> None:
    header = {"alg": "RS256", "typ": "JWT", "kid": "first"}
    signed = serialize_compact(header, payload.encode("utf-8", "surrogatepass"), server.realm.keys[-1], ["RS256"])
    refused(server, signed, "content")


@pytest.mark.parametrize("groups", ["admins", {"admins": 1}, [1], None, [["admins"]]])
def test_whose_groups_are_not_names(server: Server, groups: Any) -> None:
    refused(server, server.realm.token(groups=groups), "groups")


@pytest.mark.parametrize("name", [MISSING, "", " ", "a\nb", "a\x00b", "x" * 256, 7, None, "tab\t", " ada"])
def test_whose_user_name_cannot_be_carried(server: Server, name: Any) -> None:
    refused(server, server.realm.token(preferred_username=name), "")


def test_that_names_no_client(server: Server) -> None:
    refused(server, server.realm.token(azp=MISSING), "azp")
