"""A session's life: renewed ahead of time and once, ended from both sides, and nothing of it to be read anywhere."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey
from mlflow_platform.server.sessions import QUIET

from tests.plugin.browsing import FETCH, ME, Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

LOGOUT = "/oidc/backchannel-logout"
MALLORYS_KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})


@pytest.fixture(autouse=True)
def well(server: Server) -> Iterator[None]:
    yield
    if server.realm.web.mode != "well":
        server.realm.web.mode = "well"
        time.sleep(QUIET)  # so long do workers leave a Keycloak alone that has failed


@pytest.fixture
def ada() -> Person:
    return Person(f"ada-{time.monotonic_ns()}")


@pytest.fixture
def browser(server: Server, ada: Person) -> Browser:
    browser = Browser(server)
    assert browser.log_in(ada).status_code == 303
    return browser


def database(server: Server) -> Path:
    return server.log_file.parent / "auth.db"


def change(server: Server, person: Person, assignment: str) -> None:
    """Makes the person's session older, or otherwise what it would become."""
    with sqlite3.connect(database(server), timeout=20) as connection:
        changed = connection.execute(
            f"UPDATE mlflow_platform_sessions SET {assignment} WHERE sid = ?", (person.sid,)
        ).rowcount
    connection.close()
    assert changed == 1


def sessions(server: Server, person: Person) -> int:
    connection = sqlite3.connect(database(server), timeout=20)
    query = "SELECT count(*) FROM mlflow_platform_sessions WHERE sid = ?"
    (number,) = connection.execute(query, (person.sid,)).fetchone()
    connection.close()
    return number


def statuses(browser: Browser, number: int = 8) -> set[int]:
    """Of several requests, so that every worker had one."""
    return {browser.fetch().status_code for _ in range(number)}


def eventually(condition: Any, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("state", ["renew_at = 1", "renew_at = 1, expires_at = 1"], ids=["due", "expired"])
def test_tokens_are_renewed_once_however_many_ask(server: Server, browser: Browser, ada: Person, state: str) -> None:
    change(server, ada, state)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: browser.http.get(ME, headers=FETCH).status_code, range(20)))
    assert set(answers) == {200}
    assert eventually(lambda: ada.name in server.realm.web.renewals)
    assert statuses(browser) == {200}
    assert server.realm.web.renewals.count(ada.name) == 1


def test_tokens_are_renewed_before_they_expire(server: Server) -> None:
    short = Person(f"short-{time.monotonic_ns()}", life=12)
    browser = Browser(server)
    browser.log_in(short)
    assert eventually(lambda: browser.fetch().status_code != 200 or short.name in server.realm.web.renewals)
    assert statuses(browser) == {200}


def test_new_tokens_bring_new_rights(server: Server, browser: Browser, ada: Person) -> None:
    def create() -> int:
        path = "/ajax-api/2.0/mlflow/experiments/create"
        return browser.fetch(path, "POST", json={"name": f"of {ada.name}"}).status_code

    ada.groups = ("viewers",)
    change(server, ada, "renew_at = 1, expires_at = 1")
    assert create() == 403
    ada.groups = ("editors",)
    change(server, ada, "renew_at = 1, expires_at = 1")
    assert create() == 200


def test_without_keycloak_a_token_serves_as_long_as_it_holds(server: Server, browser: Browser, ada: Person) -> None:
    server.realm.web.mode = "down"
    change(server, ada, "renew_at = 1")
    assert statuses(browser) == {200}
    change(server, ada, "expires_at = 1")
    answer = browser.fetch()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    page = browser.open("/")
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    server.realm.web.mode = "well"
    assert eventually(lambda: statuses(browser) == {200})


def test_a_keycloak_that_hangs_is_given_up_on_in_time(server: Server, browser: Browser, ada: Person) -> None:
    server.realm.web.mode = "hang"
    change(server, ada, "renew_at = 1, expires_at = 1")
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:  # some in the worker that asks Keycloak, some in the one that waits for it
        answers = list(pool.map(lambda _: browser.http.get(ME, headers=FETCH).status_code, range(8)))
    assert set(answers) == {503}
    assert time.monotonic() - start < 6
    assert browser.http.get("/health").status_code == 200


@pytest.mark.parametrize("state", ["renew_at = 1", "renew_at = 1, expires_at = 1"], ids=["due", "expired"])
def test_a_session_that_keycloak_has_ended_ends_here(server: Server, browser: Browser, ada: Person, state: str) -> None:
    server.realm.web.end(ada)
    change(server, ada, state)
    assert eventually(lambda: browser.fetch().status_code == 401)
    assert statuses(browser) == {401}
    assert sessions(server, ada) == 0
    assert "location.hash" in browser.open("/").text


def test_a_renewed_token_is_verified_as_any_other(server: Server, browser: Browser, ada: Person) -> None:
    ada.access = {"aud": ["minio"]}
    change(server, ada, "renew_at = 1, expires_at = 1")
    assert statuses(browser) == {401}
    assert sessions(server, ada) == 0


@pytest.mark.parametrize("column", ["used_at = used_at - 3600", "created_at = created_at - 7200"])
def test_a_session_ends_when_idle_or_old(server: Server, browser: Browser, ada: Person, column: str) -> None:
    change(server, ada, column)
    assert statuses(browser) == {401}


def test_use_keeps_a_session_and_is_written_down_now_and_then(server: Server, browser: Browser, ada: Person) -> None:
    def used_at() -> float:
        connection = sqlite3.connect(database(server), timeout=20)
        query = "SELECT used_at FROM mlflow_platform_sessions WHERE sid = ?"
        (value,) = connection.execute(query, (ada.sid,)).fetchone()
        connection.close()
        return value

    first = used_at()
    assert statuses(browser) == {200}
    assert used_at() == first
    change(server, ada, "used_at = used_at - 100")
    assert statuses(browser) == {200}
    assert used_at() >= first


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
    change(server, ada, "renew_at = 1")
    name, value = browser.session_cookie
    assert browser.fetch().status_code == 200
    assert browser.log_out().status_code == 303
    browser.http.cookies.set(name, value)
    assert eventually(lambda: ada.name in server.realm.web.renewals)
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


@pytest.mark.parametrize("tampered", ["X'00' || tokens", "substr(tokens, 1, 40)", "X''"])
def test_a_session_whose_tokens_were_changed_ends(server: Server, browser: Browser, ada: Person, tampered: str) -> None:
    change(server, ada, f"tokens = CAST({tampered} AS BLOB)")
    assert statuses(browser) == {401}
    assert sessions(server, ada) == 0


def test_nobody_gets_anothers_tokens_by_moving_them(server: Server, browser: Browser, ada: Person) -> None:
    mallory = Person(f"mallory-{time.monotonic_ns()}", ("viewers",))
    other = Browser(server)
    other.log_in(mallory)
    theirs = f"(SELECT tokens FROM mlflow_platform_sessions WHERE sid = '{ada.sid}')"
    change(server, mallory, f"tokens = {theirs}")
    assert statuses(other) == {401}
    assert statuses(browser) == {200}


def test_neither_the_database_nor_the_log_at_debug_tells_a_secret(
    server: Server, browser: Browser, ada: Person
) -> None:
    name, value = browser.session_cookie
    change(server, ada, "renew_at = 1, expires_at = 1")
    assert browser.fetch().status_code == 200
    url = server.realm.web.authorize(browser.begin("/page-of-a-secret"), ada)
    login_cookies = [cookie.value or "" for cookie in browser.http.cookies.jar if cookie.path == "/oidc"]
    assert browser.come_back(url).status_code == 303
    newer = browser.session_cookie[1]
    browser.fetch(headers={"Cookie": f"{name}={value}x"})
    browser.http.post("/oidc/logout", headers=FETCH)
    code_and_state = [
        part.partition("=")[2] for part in url.partition("?")[2].split("&") if part[:4] in ("code", "stat")
    ]
    issued = [
        part for tokens in server.realm.web.issued for token in tokens.values() for part in token.split(".")[1:] if part
    ]
    refresh = [tokens["refresh_token"] for tokens in server.realm.web.issued]
    files = [path for path in database(server).parent.iterdir() if path.name.startswith(("auth.db", "server.log"))]
    assert len(files) >= 2
    secrets = {value, newer, "the key material for tests", *code_and_state, *login_cookies, *issued, *refresh}
    for path in files:
        content = path.read_bytes()
        assert sum(secret.encode() in content for secret in secrets) == 0, path.name
