"""Logging out: from MLflow's page, from Keycloak behind it, and by nobody else."""

import time
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from tests.plugin.browsing import Browser, change, eventually, sessions, statuses
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

LOGOUT = "/oidc/backchannel-logout"
MALLORYS_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


@pytest.mark.parametrize("state", ["", "renew_at = 1"], ids=["quiet", "due"])
def test_a_logout_counts_at_once_everywhere(server: Server, browser: Browser, ada: Person, state: str) -> None:
    if state:
        change(server, ada, state)
    name, value = browser.session_cookie
    answer = browser.log_out()
    assert answer.status_code == 303
    url = answer.headers["location"]
    assert url.startswith(f"{server.realm.issuer}/protocol/openid-connect/logout?client_id=mlflow&")
    assert f"post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A{browser.http.base_url.port}%2F" in url
    assert url.rpartition("id_token_hint=")[2] in [tokens["id_token"] for tokens in server.realm.web.issued]
    assert name not in browser.http.cookies
    browser.http.cookies.set(name, value)
    assert statuses(browser) == {401}
    assert sessions(server, ada) == 0


def test_a_logout_while_tokens_are_renewed_is_not_undone(server: Server, browser: Browser, ada: Person) -> None:
    server.realm.web.mode = "slow"
    try:
        change(server, ada, "renew_at = 1")
        name, value = browser.session_cookie
        assert browser.fetch().status_code == 200
        assert eventually(lambda: sessions(server, ada, "claimed_until > 0") == 1)  # a worker has begun
        assert browser.log_out().status_code == 303
        browser.http.cookies.set(name, value)
        assert eventually(lambda: ada.name in server.realm.web.renewals)
    finally:
        server.realm.web.mode = "well"
    assert statuses(browser, 20) == {401}
    assert sessions(server, ada) == 0


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {}]
)
def test_no_other_site_logs_anybody_out(browser: Browser, headers: dict[str, str]) -> None:
    assert browser.http.post("/oidc/logout", headers=headers).status_code == 403
    assert statuses(browser) == {200}


def test_who_has_no_session_is_sent_to_keycloaks_logout_all_the_same(server: Server) -> None:
    answer = Browser(server).log_out()
    assert answer.status_code == 303
    assert "id_token_hint" not in answer.headers["location"]


@pytest.mark.parametrize(
    "changes", [{}, {"sub": None}, {"sid": None}, {"typ": None}, {"exp": None}, {"aud": ["mlflow"]}]
)
def test_keycloak_ends_a_session_from_behind(
    server: Server, browser: Browser, ada: Person, changes: dict[str, Any]
) -> None:
    token = server.realm.web.logout_token(ada, **changes)
    answer = server.http.post(LOGOUT, headers={"Host": "mlflow:5000"}, data={"logout_token": token})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert statuses(browser) == {401}


def test_another_session_of_the_same_user_goes_on(server: Server, browser: Browser, ada: Person) -> None:
    other, elsewhere = Browser(server), Person(ada.name)
    other.log_in(elsewhere)
    server.http.post(LOGOUT, data={"logout_token": server.realm.web.logout_token(elsewhere)})
    assert (statuses(browser), statuses(other)) == ({200}, {401})


EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://keycloak.example/realms/other"},
        {"aud": "minio"},
        {"aud": ["mlflow", "minio"]},
        {"aud": None},
        {"iat": None},
        {"iat": 1},
        {"iat": 4102444800},
        {"exp": 1},
        {"events": None},
        {"events": {}},
        {"events": [EVENT]},
        {"events": {EVENT: None}},
        {"events": {"http://schemas.openid.net/event/other": {}}},
        {"nonce": "x"},
        {"sid": None, "sub": None},
        {"sid": ""},
        {"sid": {"$ne": 1}},
        {"sid": "x" * 300},
        {"typ": "ID"},
        {"typ": "Bearer"},
        {"header": {"typ": "at+jwt"}},
        {"header": {"key": MALLORYS_KEY}},
        {"header": {"kid": "no-such-key"}},
        {"header": {"alg": "HS256", "key": OctKey.import_key("x" * 32), "kid": "first"}},
        {"header": {"alg": "none", "key": OctKey.import_key("x" * 32), "kid": "first"}},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_a_forged_logout_ends_nothing(server: Server, browser: Browser, ada: Person, changes: dict[str, Any]) -> None:
    answer = server.http.post(LOGOUT, data={"logout_token": server.realm.web.logout_token(ada, **changes)})
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert browser.fetch().status_code == 200


def test_no_other_token_and_no_other_form_is_a_logout(server: Server, browser: Browser, ada: Person) -> None:
    issued, good = server.realm.web.issued[-1], server.realm.web.logout_token(ada)
    for content in (
        f"logout_token={issued['access_token']}",
        f"logout_token={issued['id_token']}",
        f"logout_token={good}&logout_token={good}",
        f"logout_token={good}&x={'x' * 70_000}",
        f"logout_token={good[:-4]}AAAA",
        f"token={good}",
        good,
        "",
        "\x00=&&;%",
    ):
        assert server.http.post(LOGOUT, content=content).status_code == 400, content[:40]
    assert server.http.post(f"{LOGOUT}?logout_token={good}").status_code == 400
    assert statuses(browser) == {200}


def test_a_replayed_logout_ends_no_later_session(server: Server, browser: Browser, ada: Person) -> None:
    said_before = server.realm.web.logout_token(ada, sid=None, iat=int(time.time()) - 60)
    assert server.http.post(LOGOUT, data={"logout_token": said_before}).status_code == 200
    assert statuses(browser) == {200}


def test_any_host_is_taken_there_and_nowhere_else(server: Server) -> None:
    headers = {"Host": "mlflow:5000"}
    assert server.http.post(LOGOUT, headers=headers).status_code == 400
    for method, path in (("POST", "/oidc/logout"), ("GET", "/oidc/login"), ("POST", f"{LOGOUT}/"), ("GET", "/")):
        assert server.http.request(method, path, headers=headers).status_code == 403
