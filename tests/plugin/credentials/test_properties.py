"""Whatever MinIO's STS answers, and Keycloak to a password: what it gave, or one of the known refusals, and soon."""

import asyncio
import json
import time
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow_platform.server.credentials.limits import Limits
from mlflow_platform.server.credentials.passwords import Login, Passwords
from mlflow_platform.server.credentials.sts import (
    TIMEOUT,
    Credentials,
    Sts,
    StsRefused,
    StsTokenRefused,
    StsUnavailable,
)
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.responses import Refused
from pydantic import SecretStr
from sqlalchemy import create_engine

from tests.anything import HEADERS, NESTED, STATUS, AnyServer, any_server
from tests.plugin.no_network import GRANTS, SETTINGS

SPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
GIVEN = {
    "AccessKeyId": "AK",
    "SecretAccessKey": "a-secret",
    "SessionToken": "a-token",
    "Expiration": "2030-01-01T00:00Z",
}
TOKEN_REFUSED = ["ExpiredToken", "InvalidIdentityToken", "InvalidClientTokenId"]
ADA = Identity("ada", frozenset({"editors"}), {}, "mlflow-client", True, 0, 0)

NAMES = st.sampled_from([*GIVEN, "Credentials", "Error", "Code", "Message"])
TEXTS = st.text("abc =+/\n", max_size=8) | st.sampled_from(
    ["&amp;", "&lol;", "]]>", "<!-- -->", "AccessDenied", *TOKEN_REFUSED]
)


def element(name: str, inner: str, attributes: str = "") -> str:
    return f"<{name} {attributes}>{inner}</{name}>"


def answer(given: dict[str, str]) -> str:
    return element("R", element("Credentials", "".join(map(element, given, given.values()))), SPACE)


TREES = st.recursive(
    TEXTS, lambda inner: st.builds(element, NAMES, st.lists(inner, max_size=4).map("".join)), max_leaves=8
)
DOCUMENTS = st.one_of(
    st.dictionaries(st.sampled_from([*GIVEN]), TEXTS).map(lambda changes: answer({**GIVEN, **changes})),
    st.builds(element, st.just("R"), TREES, st.sampled_from([SPACE, ""])),
    st.sampled_from(["AccessDenied", *TOKEN_REFUSED]).map(lambda code: f"<R><Error><Code>{code}</Code></Error></R>"),
)
ENCODINGS = ["utf-8", "utf-16", "utf-32", "no-such", "gbk", "idna", "rot13", "undefined"]
PROLOGUES = st.just("") | st.sampled_from(ENCODINGS).map(lambda name: f"<?xml version='1.0' encoding='{name}'?>")
BODIES = st.tuples(PROLOGUES, DOCUMENTS).map(lambda parts: "".join(parts).encode()) | st.binary(max_size=40)

LAUGHS = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 10))
BOMB = f"<!DOCTYPE R [<!ENTITY l0 'ha'>{LAUGHS}]>{answer({**GIVEN, 'SecretAccessKey': '&l9;'})}"
LONG = f"<!DOCTYPE R [<!ENTITY l '{'ha' * 50_000}'>]>{answer({**GIVEN, 'SecretAccessKey': '&l;' * 50_000})}"
FILE = f"<!DOCTYPE R [<!ENTITY f SYSTEM 'file:///etc/passwd'>]>{answer({**GIVEN, 'SecretAccessKey': '&f;'})}"
DEEP = f"{'<a>' * 100_000}{'</a>' * 100_000}"


@pytest.fixture(scope="module")
def server() -> Iterator[AnyServer]:
    with any_server() as server:
        yield server


@pytest.fixture(scope="module")
def sts(server: AnyServer) -> Sts:
    return Sts(SETTINGS.model_copy(update={"sts_endpoint": server.url}))


@settings(max_examples=200, deadline=None)
@given(status=STATUS, headers=HEADERS, body=BODIES)
@example(status=200, headers={}, body=answer(GIVEN).replace("Credentials", "Others").encode())
@example(status=201, headers={}, body=answer(GIVEN).encode())
@example(status=307, headers={"Location": "/elsewhere"}, body=b"")
@example(status=302, headers={"Location": "http://[::1"}, body=b"")
@example(status=400, headers={}, body=f"<R><Code>{TOKEN_REFUSED[0]}</Code></R>".encode())
@example(status=200, headers={}, body=answer({**GIVEN, "SessionToken": ""}).encode())
@example(status=200, headers={}, body=b"<?xml version='1.0' encoding='no-such'?><R/>")
def test_an_answer_is_credentials_or_one_of_three_refusals(
    server: AnyServer, sts: Sts, status: int, headers: dict[str, str], body: bytes
) -> None:
    server.will_answer(status, body, headers)
    try:
        got = asyncio.run(sts.credentials("her-token", ADA))
    except StsTokenRefused:
        assert 200 < status < 500
        assert any(code.encode() in body for code in TOKEN_REFUSED)
    except StsRefused:
        assert 200 < status < 500
    except StsUnavailable:
        pass
    else:
        assert status == 200
        assert SPACE.encode() in body
        assert b"<Credentials" in body
        assert all((got.access_key, got.secret_key, got.session_token, got.expiration))
    assert len(server.paths) == 1  # her token goes nowhere else


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abcXYZ019=+/ &<", min_size=1, max_size=30), min_size=4, max_size=4))
def test_credentials_are_handed_on_as_they_were_given(server: AnyServer, sts: Sts, values: list[str]) -> None:
    written = [value.replace("&", "&amp;").replace("<", "&lt;") for value in values]
    server.will_answer(200, answer(dict(zip(GIVEN, written, strict=True))).encode())
    assert asyncio.run(sts.credentials("her-token", ADA)) == Credentials(*values)


@pytest.mark.parametrize("body", [BOMB, LONG, FILE, DEEP], ids=["laughs", "long entity", "file", "deep"])
def test_no_document_takes_the_servers_time_or_its_files(server: AnyServer, sts: Sts, body: str) -> None:
    server.will_answer(200, body.encode())
    begun = time.monotonic()
    with pytest.raises(StsUnavailable):
        asyncio.run(sts.credentials("her-token", ADA))
    assert time.monotonic() - begun < TIMEOUT


# A password's grant.


@pytest.fixture(scope="module")
def passwords(server: AnyServer) -> Passwords:
    found = SETTINGS.model_copy(update={"backchannel_url": f"{server.url}/realms/test"})
    return Passwords(found, "our-secret", Limits(create_engine("sqlite://"), b"key"))


@settings(max_examples=120, deadline=None)
@given(status=STATUS, headers=HEADERS, body=GRANTS)
@example(status=200, headers={}, body=NESTED)
@example(status=200, headers={}, body=b'{"access_token": 1}')
@example(status=307, headers={"Location": "/elsewhere"}, body=b"")
@example(status=302, headers={"Location": "http://[::1"}, body=b"")
def test_an_answer_to_a_password_is_a_token_a_refusal_or_no_answer(
    server: AnyServer, passwords: Passwords, status: int, headers: dict[str, str], body: bytes
) -> None:
    server.will_answer(status, body, headers)
    try:
        token = asyncio.run(passwords._grant(Login(username="ada", password=SecretStr("her-password"))))
    except Refused as refused:
        assert refused.answer.status_code in (401, 503)
        assert refused.answer.status_code == 503 or json.loads(body)["error"] == "invalid_grant"
    except httpx.HTTPError:
        pass  # the caller's to handle, as no answer
    else:
        assert isinstance(token, str)
        assert (status, token) == (200, json.loads(body)["access_token"])
    assert len(server.paths) == 1
