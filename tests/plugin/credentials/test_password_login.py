"""A name and a password for storage credentials: only where the stack says so, and a few guesses at a time."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow_platform.server.credentials.endpoints import SESSION
from mlflow_platform.server.credentials.limits import PER_PAIR, PERIOD
from mlflow_platform.server.credentials.passwords import LARGEST, WRONG, Login, network, parse
from mlflow_platform.server.responses import PAUSE, Refused

from tests.plugin.conftest import Server, prepare, serving
from tests.plugin.idp import WEB_CLIENT_SECRET, Backstage

PASSWORD = "correct horse battery staple"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def open_server(backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A stack that turned the password grant on."""
    environment = prepare(tmp_path_factory.mktemp("open"), backstage, password_grant=True)
    with serving(environment, backstage) as server:
        yield server


def log_in(server: Server, user: str, password: str = PASSWORD, address: str = "203.0.113.1") -> httpx.Response:
    server.realm.passwords.setdefault(user, PASSWORD)
    headers = {"X-Forwarded-For": address}  # as the gateway sets it
    return server.http.post(SESSION, headers=headers, json={"username": user, "password": password})


def test_a_password_buys_what_a_token_buys(open_server: Server) -> None:
    answer = log_in(open_server, "paul")
    assert answer.status_code == 200, answer.text
    assert answer.json() == open_server.ask(open_server.realm.token("paul"), "POST", SESSION).json()
    form = open_server.realm.password_forms[-1]
    assert (form["client_id"], form["client_secret"], form["username"]) == ("mlflow", WEB_CLIENT_SECRET, "paul")


def test_a_stack_that_does_not_offer_it_takes_no_password(server: Server) -> None:
    asked = len(server.realm.password_forms)
    answer = log_in(server, "paul")
    assert (answer.status_code, len(server.realm.password_forms)) == (401, asked)
    assert "no bearer token" in answer.json()["message"]


def test_nobody_learns_which_users_there_are(open_server: Server) -> None:
    answers = [log_in(open_server, user, "wrong", "203.0.113.2") for user in ("paul", "nobody-at-all", "disabled")]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert {answer.json()["message"] for answer in answers} == {f"Not authenticated: {WRONG}."}


def test_a_user_of_no_team_gets_nothing_for_her_password(open_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    token = open_server.realm.token("guest", ())
    monkeypatch.setattr(open_server.realm, "token", lambda *_, **__: token)
    assert log_in(open_server, "guest").status_code == 403


@pytest.mark.parametrize("wrong", [{"iss": "http://elsewhere"}, {"aud": "account"}, {"typ": "ID"}])
def test_the_token_is_looked_at_like_any_other(
    open_server: Server, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    token = open_server.realm.token("paul", **wrong)
    monkeypatch.setattr(open_server.realm, "token", lambda *_, **__: token)
    assert log_in(open_server, "paul").status_code == 401


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "", "text/json"]
)
def test_no_form_of_another_site_can_use_it(open_server: Server, kind: str) -> None:
    asked = len(open_server.realm.password_forms)
    body = json.dumps({"username": "paul", "password": PASSWORD})
    answer = open_server.http.post(SESSION, headers={"Content-Type": kind}, content=body)
    assert (answer.status_code, len(open_server.realm.password_forms)) == (401, asked)


def test_it_stands_in_for_no_other_credential(open_server: Server) -> None:
    asked = len(open_server.realm.password_forms)
    for name, value in (("Authorization", "Basic cGF1bDpwYXNz"), ("Authorization", "Bearer x"), ("Cookie", "a=b")):
        body = {"username": "paul", "password": PASSWORD}
        assert open_server.http.post(SESSION, headers={name: value}, json=body).status_code == 401
    assert len(open_server.realm.password_forms) == asked


def test_it_opens_no_other_path(open_server: Server) -> None:
    body = {"username": "paul", "password": PASSWORD}
    for path in ("/api/2.0/mlflow/experiments/search", SESSION + "/", "/api/2.0//mlflow-platform/session"):
        assert open_server.http.post(path, json=body).status_code == 401
    assert open_server.http.put(SESSION, json=body).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"[]", 400),
        (b'{"username": "paul"}', 400),
        (b'{"username": "paul", "password": ""}', 400),
        (b'{"username": "paul", "password": 1}', 400),
        (b'{"username": ["paul"], "password": "x"}', 400),
        (b'{"username": "paul", "password": "x", "grant_type": "refresh_token"}', 400),
        (b'{"username": "' + b"x" * 256 + b'", "password": "x"}', 400),
        (b'{"username": "paul", "password": "' + b"x" * 1025 + b'"}', 400),
        (b'{"username": "paul", "password": "x' + b" " * LARGEST + b'"}', 413),
        (b'{"username": "\\ud800", "password": "x"}', 400),
    ],
)
def test_a_body_of_another_shape_is_refused_without_asking_keycloak(
    open_server: Server, body: bytes, status: int
) -> None:
    asked = len(open_server.realm.password_forms)
    answer = open_server.http.post(SESSION, headers=JSON, content=body)
    assert (answer.status_code, len(open_server.realm.password_forms)) == (status, asked)


def test_guessing_ends_after_ten_attempts_however_many_at_once(open_server: Server) -> None:
    if (left := PERIOD - time.time() % PERIOD) < 30:  # the next period begins to count anew
        time.sleep(left)
    asked = len(open_server.realm.password_forms)
    with ThreadPoolExecutor(10) as pool:
        guesses = [f"guess-{number}" for number in range(PER_PAIR + 10)]
        answers = list(pool.map(lambda guess: log_in(open_server, "grace", guess, "203.0.113.3"), guesses))
    assert sorted(answer.status_code for answer in answers) == [401] * PER_PAIR + [429] * 10
    assert len(open_server.realm.password_forms) == asked + PER_PAIR
    assert log_in(open_server, " GRACE ", PASSWORD, "203.0.113.3").status_code == 429
    assert 0 < int(next(a for a in answers if a.status_code == 429).headers["retry-after"]) <= 300
    assert log_in(open_server, "grace", PASSWORD, "203.0.113.4").status_code == 200


def test_a_client_does_not_choose_the_address_that_it_is_counted_by() -> None:
    def address(*client: object) -> str:
        return network({"type": "http", "client": client or None})

    assert address("192.0.2.1", 5) == "192.0.2.1"
    assert address("2001:db8::1", 5) == address("2001:db8::ffff:2", 6) != address("2001:db8:0:1::1", 5)
    assert address() == "unknown"


def test_a_dead_keycloak_is_told_within_five_seconds(open_server: Server) -> None:
    open_server.realm.answers = False
    try:
        answer = log_in(open_server, "paul", address="203.0.113.5")
    finally:
        open_server.realm.answers = True
    assert (answer.status_code, answer.headers["retry-after"]) == (503, PAUSE)
    assert "Keycloak" in answer.json()["message"]


def test_no_log_at_debug_has_the_password(open_server: Server) -> None:
    log_in(open_server, "logged", "a-wrong-secret-word", "203.0.113.6")
    log_in(open_server, "logged", address="203.0.113.6")
    open_server.http.post(SESSION, headers=JSON, content=b'{"username": "logged", "password": "cut-off-secret')
    open_server.http.post(SESSION, headers=JSON, json={"username": "logged", "password": ["listed-secret"]})
    deadline = time.monotonic() + 10
    while '"event": "credentials", "user": "logged"' not in (log := open_server.log_file.read_text()):
        assert time.monotonic() < deadline, log[-2000:]
    assert "DEBUG" in log
    beginning_of_any_token = open_server.realm.token().split(".")[0]
    for secret in (PASSWORD, "a-wrong-secret-word", "cut-off-secret", "listed-secret", WEB_CLIENT_SECRET):
        assert secret not in log
    assert beginning_of_any_token not in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith('{"time"')]
    refused = next(line for line in lines if line["address"] == "203.0.113.6")
    assert (refused["event"], refused["status"], refused["path"], refused["user"]) == ("refused", 401, SESSION, None)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_body_is_a_login_or_a_refusal_that_does_not_repeat_it(received: Any) -> None:
    try:
        login = parse(received)
    except Refused as refused:
        assert refused.answer.status_code == 400
        assert refused.__cause__ is None
    else:
        assert isinstance(login, Login)


@settings(max_examples=300, deadline=None)
@given(st.text(min_size=1, max_size=255), st.text(min_size=1, max_size=1024))
def test_any_name_and_password_arrive_unchanged(username: str, password: str) -> None:
    login = parse(json.dumps({"username": username, "password": password}).encode())
    assert (login.username, login.password.get_secret_value()) == (username, password)
