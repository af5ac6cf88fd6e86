"""Tokens are renewed ahead of their end, by one process for all, and through a restart of Keycloak."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow_platform.client import sessions
from mlflow_platform.client.errors import ClientError, NotLoggedIn, Unavailable
from mlflow_platform.client.sessions import Session
from mlflow_platform.client.store import LoginFile

from tests.client.conftest import age
from tests.client.double import Double


def session_at(platform: Double) -> Session:
    found = sessions.find(platform.url)
    assert found
    return found


def test_without_a_login_there_is_no_session(platform: Double):
    assert sessions.find(platform.url) is None
    assert platform.requests == []


@pytest.mark.parametrize("url", ["sqlite:///mlflow.db", "mlruns", "databricks", "http://u:p@h", "http://h\\@evil"])
def test_what_is_no_tracking_server_has_no_session(platform: Double, logged_in: LoginFile, url: str):
    assert sessions.find(url) is None


def test_a_login_is_for_its_own_server_only(platform: Double, logged_in: LoginFile, other: Double):
    assert session_at(platform).username == "dev"
    assert sessions.find(other.url) is None


def test_a_token_with_time_left_is_used_as_it_is(platform: Double, logged_in: LoginFile):
    session = session_at(platform)
    assert session.access_token() == session.access_token()
    assert platform.requests == []


@pytest.mark.parametrize(("lifetime", "too_early", "due"), [(300, 235, 245), (20, 14, 16)])
def test_a_token_is_renewed_in_its_last_minute_or_quarter(
    platform: Double, logged_in: LoginFile, lifetime: float, too_early: float, due: float
):
    platform.lifetime = lifetime
    age(logged_in, 300)
    session = session_at(platform)
    first = session.access_token()
    age(logged_in, too_early)
    assert session.access_token() == first
    age(logged_in, due - too_early)
    assert session.access_token() != first


def test_threads_share_one_refresh(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    session = session_at(platform)
    with ThreadPoolExecutor(8) as pool:
        got = set(pool.map(lambda _: session.access_token(), range(8)))
    assert len(got) == 1
    assert platform.asked("refresh_token") == 1


def test_processes_share_one_refresh(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    program = f"from mlflow_platform.client import sessions; print(sessions.find({platform.url!r}).access_token())"
    command = [sys.executable, "-c", program]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd="plugin") for _ in range(3)]
    assert len({process.communicate(timeout=30)[0] for process in started}) == 1
    assert platform.asked("refresh_token") == 1


def test_while_keycloak_is_away_a_token_that_is_still_valid_is_used(
    platform: Double, logged_in: LoginFile, pauses: list[float]
):
    age(logged_in, 250)
    session = session_at(platform)
    platform.down = True
    assert session.access_token() == session.access_token()
    assert pauses == []
    assert platform.asked("refresh_token") == 1  # the second call does not even ask


def test_a_job_waits_for_a_keycloak_that_restarts(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    platform.stop()
    back = threading.Timer(1, platform.start)
    back.start()
    assert session_at(platform).access_token()
    back.join()


def test_the_wait_for_keycloak_has_an_end(platform: Double, logged_in: LoginFile, pauses: list[float]):
    age(logged_in, 300)
    platform.down = True
    with pytest.raises(Unavailable, match="not ready"):
        session_at(platform).access_token()
    assert 120 < sum(pauses) < 200
    assert pauses[:4] == [0.5, 1, 2, 4]


def test_a_job_waits_for_a_directory_that_does_not_answer_and_keeps_its_login(
    platform: Double, logged_in: LoginFile, pauses: list[float]
):
    age(logged_in, 300)
    platform.refuses, platform.reason = "invalid_grant", "User disabled"
    with pytest.raises(Unavailable, match="disabled, or its directory does not answer"):
        session_at(platform).access_token()
    assert sum(pauses) > 120
    platform.refuses = ""
    assert session_at(platform).access_token()


def test_a_login_that_has_ended_says_what_to_do(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    platform.refuses = "invalid_grant"
    with pytest.raises(NotLoggedIn, match="has ended; run `mlflow-platform login`"):
        session_at(platform).access_token()


def test_a_refresh_that_turns_into_somebody_else_is_not_accepted(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    platform.user = "mallory"
    with pytest.raises(ClientError, match="another user"):
        session_at(platform).access_token()


def test_a_fresh_token_has_most_of_its_life_before_it(platform: Double, logged_in: LoginFile):
    session = session_at(platform)
    first = session.access_token(fresh=True)
    age(logged_in, 100)
    assert session.access_token() == first
    assert session.access_token(fresh=True) != first


def test_a_service_needs_no_login_and_leaves_nothing_on_the_disk(
    platform: Double, monkeypatch: pytest.MonkeyPatch, home: object
):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", platform.client_secret)
    session = session_at(platform)
    assert session.username == "service-account-ci"
    assert session.access_token() == session.access_token()
    assert platform.asked("client_credentials") == 1
    assert not LoginFile(platform.url).path.exists()


def test_a_services_secret_goes_to_no_other_server(platform: Double, other: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", platform.client_secret)
    assert sessions.find(other.url) is None
    assert other.requests == []


def test_a_wrong_secret_is_one_sentence_without_it(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", "a-wrong-secret")
    with pytest.raises(ClientError, match="does not take MLFLOW_PLATFORM_CLIENT_ID") as refused:
        session_at(platform).access_token()
    assert "a-wrong-secret" not in str(refused.value)


def test_half_of_a_services_credentials_is_an_error(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    with pytest.raises(ClientError, match="must be set together"):
        sessions.find(platform.url)
