"""Whatever a token claims and Keycloak says of its keys: what is right is taken, all else is a known refusal."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from joserfc.jws import serialize_compact
from mlflow_platform.server.identity.id_tokens import LOGOUT_EVENT, LOGOUT_MAX_AGE, IdTokens, Subject
from mlflow_platform.server.identity.keys import KeysUnavailable, SigningKeys, signing_keys
from mlflow_platform.server.identity.tokens import LEEWAY, SignedTokens, TokenRefused

from tests.anything import HEADERS, JSON, NESTED, STATUS, AnyServer, any_server, bodies
from tests.plugin.idp import MISSING
from tests.plugin.no_network import OFFLINE, SETTINGS, Offline

often = settings(max_examples=120, deadline=None)


@pytest.fixture(scope="module")
def server() -> Iterator[AnyServer]:
    with any_server() as server:
        yield server


# Tokens of the realm's own key, with any claims.

NOW, NONCE, ACCESS, CLIENT = 1_800_000_000, "the-nonce", "an-access-token", SETTINGS.web_client_id
HALF_HASH = base64.urlsafe_b64encode(hashlib.sha256(ACCESS.encode()).digest()[:16]).rstrip(b"=").decode()
CLAIMS = {"iss": SETTINGS.issuer, "aud": CLIENT, "sub": "id-of-ada", "sid": "a-session", "iat": NOW, "exp": NOW + 60}
ID_CLAIMS = {**CLAIMS, "typ": "ID", "nonce": NONCE, "azp": CLIENT, "at_hash": HALF_HASH}
LOGOUT_CLAIMS = {**CLAIMS, "typ": "Logout", "events": {LOGOUT_EVENT: {}}}
ALMOST = {
    "iss": [f"{SETTINGS.issuer}/", "", [SETTINGS.issuer]],
    "aud": [[CLIENT], [CLIENT, "minio"], f"{CLIENT}2", {CLIENT: 1}],
    "sub": ["", "x" * 255, "x" * 256, "\ud800", "\x00"],
    "sid": ["", "x" * 255, "x" * 256, "\ud800", "\x00"],
    "iat": [NOW + LEEWAY, NOW + LEEWAY + 1, NOW - LOGOUT_MAX_AGE, NOW - LOGOUT_MAX_AGE - 1, True, str(NOW)],
    "exp": [NOW - LEEWAY + 1, NOW - LEEWAY, 1e300, True, str(NOW + 60)],
    "typ": ["ID", "Logout", "Bearer", "id"],
    "azp": ["minio", "", [CLIENT]],
    "nonce": [f"{NONCE}x", "", None, "\ud800", [NONCE]],
    "at_hash": ["", f"{HALF_HASH}=", None],
    "events": [{LOGOUT_EVENT: []}, {LOGOUT_EVENT: True}, {}, [LOGOUT_EVENT], LOGOUT_EVENT],
}
CHANGE = [(name, value) for name, values in ALMOST.items() for value in [MISSING, *values]]
CHANGES = st.lists(st.sampled_from(CHANGE) | st.tuples(st.sampled_from([*ALMOST]), JSON), max_size=3).map(dict)
ID_TOKENS = IdTokens(SETTINGS, SignedTokens(Offline("http://127.0.0.1:9")), lambda: NOW)


def almost_right(test: Callable[..., None]) -> Callable[..., None]:
    """Each of the changes by itself, beside whatever else is tried."""
    for name, value in CHANGE:
        test = example({name: value})(test)
    return example({})(test)


def changed(claims: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**claims, **changes}.items() if value is not MISSING}


def signed(claims: dict[str, Any], typ: str) -> str:
    header = {"alg": "RS256", "typ": typ, "kid": "first"}
    return serialize_compact(header, json.dumps(claims).encode(), OFFLINE.realm.keys[0], ["RS256"])


def assert_meant_for_this_client(claims: dict[str, Any], subject: Subject) -> None:
    assert subject == Subject(claims.get("sub"), claims.get("sid"), claims["iat"])
    assert claims["iss"] == SETTINGS.issuer
    assert claims["aud"] in (CLIENT, [CLIENT])
    assert type(claims["iat"]) in (int, float)
    assert claims["iat"] <= NOW + LEEWAY
    for name in (subject.sub, subject.sid):
        assert name is None or (0 < len(name) < 256 and name.isprintable())  # what a database can hold


@often
@given(CHANGES)
@almost_right
def test_an_id_token_is_the_one_that_was_asked_for_or_is_refused(changes: dict[str, Any]) -> None:
    claims = changed(ID_CLAIMS, changes)
    try:
        subject = asyncio.run(ID_TOKENS.of_login(signed(claims, "JWT"), NONCE, ACCESS))
    except TokenRefused:
        assert changes
        return
    assert_meant_for_this_client(claims, subject)
    assert subject.sub
    assert (claims["typ"], claims["nonce"]) == ("ID", NONCE)
    assert claims["exp"] > NOW - LEEWAY
    assert claims.get("azp", CLIENT) == CLIENT
    assert claims.get("at_hash", HALF_HASH) == HALF_HASH


@often
@given(CHANGES)
@almost_right
@example({"sub": MISSING, "sid": MISSING})
def test_a_logout_token_is_fresh_and_names_somebody_or_is_refused(changes: dict[str, Any]) -> None:
    claims = changed(LOGOUT_CLAIMS, changes)
    try:
        subject = asyncio.run(ID_TOKENS.of_logout(signed(claims, "logout+jwt")))
    except TokenRefused:
        assert changes not in ({}, {"sub": MISSING}, {"sid": MISSING})
        return
    assert_meant_for_this_client(claims, subject)
    assert subject.sub or subject.sid
    assert "nonce" not in claims
    assert claims.get("typ", "Logout") == "Logout"
    assert claims["iat"] >= NOW - LOGOUT_MAX_AGE
    assert claims.get("exp", NOW) > NOW - LEEWAY
    assert isinstance(claims["events"][LOGOUT_EVENT], dict)


# The realm's keys.

RSA = OFFLINE.realm.keys[0].as_dict(private=False)
EC = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig"}).as_dict(private=False)
MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "crv", "x", "y", "d", "key_ops", "x5c"]),
    st.sampled_from(["EC", "RSA", "oct", "sig", "enc", "P-256", "P-384", "brainpoolP256r1", "AQAB", ["verify"]]) | JSON,
    max_size=4,
)
ODD_KEYS = st.tuples(st.sampled_from([RSA, EC, {}]), MEMBERS).map(lambda parts: {**parts[0], **parts[1]})


@often
@given(st.lists(ODD_KEYS | JSON, max_size=4), st.integers(0, 4))
@example([{**EC, "crv": "brainpoolP256r1"}], 0)
@example([{**EC, "use": "enc"}, {**RSA, "kid": ""}, {"kty": "oct", "kid": "shared", "k": "eA"}], 0)
def test_no_odd_key_costs_the_others(odd: list[Any], at: int) -> None:
    keys = signing_keys({"keys": [*odd[:at], {**RSA, "kid": "the good one"}, *odd[at:]]})
    assert keys["the good one"].as_dict(private=False)["n"] == RSA["n"]
    for key_id, key in keys.items():
        assert isinstance(key_id, str)
        assert key_id
        assert key.key_type in ("RSA", "EC")
        assert key.as_dict().get("use", "sig") == "sig"


@often
@given(status=STATUS, headers=HEADERS, body=bodies({"keys": [RSA]}, st.lists(ODD_KEYS, max_size=2) | JSON))
@example(status=200, headers={}, body=json.dumps({"keys": [RSA]}).encode())
@example(status=200, headers={}, body=NESTED)
@example(status=200, headers={}, body=b'{"keys": 1}')
def test_the_realms_keys_have_the_wanted_one_or_not_or_nobody_can_tell(
    server: AnyServer, keys: SigningKeys, status: int, headers: dict[str, str], body: bytes
) -> None:
    server.will_answer(status, body, headers)
    try:
        key = asyncio.run(copy(keys).get("first"))  # a copy that has asked nothing yet
    except KeysUnavailable:
        assert body != json.dumps({"keys": [RSA]}).encode() or status != 200 or headers
    else:
        ids = [entry.get("kid") for entry in json.loads(body)["keys"]]
        assert status < 300
        assert key is None or "first" in ids
    assert len(server.paths) == 1


@pytest.fixture(scope="module")
def keys(server: AnyServer) -> SigningKeys:
    return SigningKeys(f"{server.url}/realms/test")
