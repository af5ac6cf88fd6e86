"""Session credentials: the caller's own token goes to STS, and nothing secret goes anywhere else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_platform.server.credentials.endpoints import DISCOVERY, SESSION

from tests.plugin.conftest import Server, prepare, serving
from tests.plugin.idp import Backstage


@pytest.fixture(autouse=True)
def well(server: Server) -> Iterator[None]:
    yield
    server.sts.mode = "well"


def test_the_callers_own_token_buys_credentials(server: Server) -> None:
    token = server.realm.token()
    answer = server.ask(token, "POST", SESSION)
    assert answer.json() == {
        "access_key": "AKIATEST",
        "secret_key": "sts-secret-key",
        "session_token": "sts-session-token",
        "expiration": "2026-11-24T12:00:00Z",
        "endpoint": "http://s3.example:9000",
        "bucket": "mlflow",
        "region": "us-east-1",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert server.sts.forms[-1]["WebIdentityToken"] == token


def test_credentials_end_with_the_token_unless_told_otherwise(server: Server) -> None:
    assert server.ask(server.realm.token(), "POST", SESSION).status_code == 200
    assert "DurationSeconds" not in server.sts.forms[-1]
    assert server.ask(None, "GET", DISCOVERY).json()["s3_credentials_seconds"] is None


def test_a_stack_says_how_long_credentials_last(backstage: Backstage, tmp_path: Path) -> None:
    with serving(prepare(tmp_path, backstage, storage_credentials_seconds=7200), backstage) as server:
        assert server.ask(server.realm.token(), "POST", SESSION).status_code == 200
        assert server.sts.forms[-1]["DurationSeconds"] == "7200"
        assert server.ask(None, "GET", DISCOVERY).json()["s3_credentials_seconds"] == 7200


@pytest.mark.parametrize("team", ["viewers", "users", "editors"])
def test_who_may_only_read_gets_credentials_too(server: Server, team: str) -> None:
    assert server.as_member(team, "POST", SESSION).status_code == 200


@pytest.mark.parametrize("policy", [[], None, ""])
def test_without_a_policy_there_are_none_and_sts_is_not_asked(server: Server, policy: object) -> None:
    asked = len(server.sts.forms)
    answer = server.ask(server.realm.token(policy=policy), "POST", SESSION)
    assert (answer.status_code, len(server.sts.forms)) == (403, asked)
    assert "object store" in answer.json()["message"]


@pytest.mark.parametrize(
    ("mode", "status"), [("AccessDenied", 403), ("InvalidParameterValue", 403), ("ExpiredToken", 401), ("broken", 503)]
)
def test_what_sts_says_becomes_a_clear_answer(server: Server, mode: str, status: int) -> None:
    server.sts.mode = mode
    token = server.realm.token()
    answer = server.ask(token, "POST", SESSION)
    assert answer.status_code == status
    assert token not in answer.text


def test_only_post_hands_out_credentials(server: Server) -> None:
    assert server.ask(server.realm.token(), "GET", SESSION).status_code == 405


def test_no_log_at_debug_has_a_secret(server: Server) -> None:
    good, bad = server.realm.token("logged"), server.realm.token("logged", iss="http://elsewhere")
    server.ask(good, "POST", SESSION)
    server.sts.mode = "InvalidParameterValue"  # its message repeats the token
    server.ask(good, "POST", SESSION)
    server.ask(bad, "GET", f"/?access_token={bad}")
    server.ask(good, "POST", "/graphql", content=b"{")
    server.ask(good, "GET", f"/get-artifact?token={good}")
    time.sleep(0.3)
    log = server.log_file.read_text()
    assert "DEBUG" in log
    assert '"user": "logged"' in log
    for secret in (good, bad, good.split(".")[2], "sts-secret-key", "sts-session-token", "access_token="):
        assert secret not in log
