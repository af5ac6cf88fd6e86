"""Whatever comes back: a login's cookie, which every neighbour of this host can plant, and Keycloak's tokens."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow_platform.server.browser.cookies import Cookies
from mlflow_platform.server.browser.keycloak import GrantRefused, Keycloak, KeycloakUnavailable, Tokens
from mlflow_platform.server.browser.logins import AT_ONCE, BYTES_AT_ONCE, Logins
from mlflow_platform.server.browser.seal import Seal

from tests.anything import HEADERS, NESTED, STATUS, AnyServer, any_server
from tests.plugin.no_network import GRANTS, SETTINGS

often = settings(max_examples=200, deadline=None)

# A login's cookie.

COOKIES = Cookies("https://mlflow.example")
LOGINS = Logins(Seal("key", "logins"), COOKIES, lambda: 1000.0)
LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
NAMES = st.text(st.characters(max_codepoint=255, exclude_characters=";="), max_size=20)


def value_of(line: str) -> str:
    return line.split(";")[0].partition("=")[2]


@often
@given(LATIN, st.integers(0), LATIN)
def test_a_login_is_found_as_it_was_begun_or_not_at_all(inserted: str, at: int, state: str) -> None:
    login, (line, *_) = LOGINS.begin({}, "/page")
    name, value = COOKIES.login(login.state), value_of(line)
    cut = at % len(value)
    for changed in (value[:cut] + inserted + value[cut + 1 :], value[:cut] + inserted, inserted + value, inserted):
        assert LOGINS.find({name: changed}, login.state) in (None, login)
    assert LOGINS.find({name: value}, state) is None
    assert LOGINS.find({COOKIES.login(state): value}, state) is None
    assert Logins(Seal("another key", "logins"), COOKIES, lambda: 1000.0).find({name: value}, login.state) is None
    assert LOGINS.find({name: value, COOKIES.login(state): inserted}, login.state) == login


@often
@given(
    st.dictionaries(NAMES.map(lambda name: COOKIES.login("")[:-24] + name), st.integers(0, 8000), max_size=6),
    st.dictionaries(NAMES.filter(lambda name: not COOKIES.is_login(name)), LATIN, max_size=3),
    st.text(st.characters(codec="ascii"), max_size=400),
)
def test_however_many_cookies_are_planted_a_browser_keeps_its_own_logins_and_can_send_them(
    planted: dict[str, int], others: dict[str, str], return_to: str
) -> None:
    junk = {name: "x" * size for name, size in planted.items()}
    first, (line, *_) = LOGINS.begin({}, "/page")
    held = {**junk, COOKIES.login(first.state): value_of(line)}
    second, (line, *drops) = LOGINS.begin({**held, **others}, return_to)
    dropped = {drop.partition("=")[0] for drop in drops}
    assert dropped <= set(junk)
    left = {name: value for name, value in held.items() if name not in dropped}
    left[COOKIES.login(second.state)] = value_of(line)
    assert len(left) <= AT_ONCE
    assert sum(map(len, left.values())) <= BYTES_AT_ONCE
    assert [LOGINS.find(left, login.state) for login in (first, second)] == [first, second]


# Keycloak's answer to a grant.


@pytest.fixture(scope="module")
def server() -> Iterator[AnyServer]:
    with any_server() as server:
        yield server


@pytest.fixture(scope="module")
def keycloak(server: AnyServer) -> Keycloak:
    return Keycloak(SETTINGS.model_copy(update={"backchannel_url": f"{server.url}/realms/test"}), "our-secret")


@settings(max_examples=120, deadline=None)
@given(status=STATUS, headers=HEADERS, body=GRANTS)
@example(status=200, headers={}, body=b'{"access_token": "a", "refresh_token": "\\ud800"}')
@example(status=200, headers={}, body=b'{"access_token": "a", "id_token": "b"}')
@example(status=200, headers={}, body=b'{"access_token": "a", "refresh_token": 1}')
@example(status=307, headers={"Location": "/elsewhere"}, body=b"")
@example(status=302, headers={"Location": "http://[::1"}, body=b"")
@example(status=400, headers={}, body=b'{"error": "invalid_grant"}')
@example(status=200, headers={}, body=NESTED)
def test_an_answer_to_a_grant_is_tokens_a_refusal_or_no_answer(
    server: AnyServer, keycloak: Keycloak, status: int, headers: dict[str, str], body: bytes
) -> None:
    server.will_answer(status, body, headers)
    try:
        tokens = asyncio.run(keycloak.renew("a-refresh-token"))
    except GrantRefused:
        assert (status, json.loads(body)["error"]) == (400, "invalid_grant")
    except KeycloakUnavailable:
        assert (status, body) != (400, b'{"error": "invalid_grant"}')
    else:
        document = json.loads(body)
        assert status == 200
        assert tokens == Tokens(document["access_token"], document.get("refresh_token"), document.get("id_token"))
        assert all(token is None or token.isascii() for token in (tokens.access, tokens.refresh, tokens.id))
    assert len(server.paths) == 1  # our secret goes nowhere else
