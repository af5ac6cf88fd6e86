"""A session's life: renewed ahead of time and once, ended when its time is up, and nowhere to be read."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow_platform.server.browser.sessions import QUIET
from mlflow_platform.server.responses import PAUSE

from tests.plugin.browsing import FETCH, ME, Browser, change, database, eventually, sessions, statuses
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person


@pytest.fixture(autouse=True)
def well(server: Server) -> Iterator[None]:
    yield
    if server.realm.web.mode != "well":
        server.realm.web.mode = "well"
        time.sleep(QUIET)  # so long do workers leave a Keycloak alone that has failed


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
    assert (answer.status_code, answer.headers["retry-after"]) == (503, PAUSE)
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
    assert time.monotonic() - start < 5
    assert browser.http.get("/health").status_code == 200


@pytest.mark.parametrize("state", ["renew_at = 1", "renew_at = 1, expires_at = 1"], ids=["due", "expired"])
def test_a_session_that_keycloak_has_ended_ends_here(server: Server, browser: Browser, ada: Person, state: str) -> None:
    server.realm.web.end(ada)
    change(server, ada, state)
    assert eventually(lambda: browser.fetch().status_code == 401)
    assert statuses(browser) == {401}
    assert sessions(server, ada) == 0
    assert "location.hash" in browser.open("/").text


def test_a_session_outlives_the_outage_of_a_directory_without_any_rights_in_it(
    server: Server, browser: Browser, ada: Person
) -> None:
    ada.unavailable = True
    change(server, ada, "renew_at = 1, expires_at = 1")
    answer = browser.fetch()
    assert answer.status_code == 503
    assert "disabled, or its directory does not answer" in answer.text
    ada.unavailable = False
    assert browser.fetch().status_code == 200  # at once: nobody else had to wait, either
    assert sessions(server, ada) == 1


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
