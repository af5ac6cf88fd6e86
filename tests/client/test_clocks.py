"""Clocks that are wrong: a shared login lasts by the servers' time, and what they call over is renewed, once."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError as S3Error
from mlflow_platform.client import cli, clock, discovery, errors, sessions, storage
from mlflow_platform.client.store import LoginFile
from mlflow_platform.client.tracking import Bearer

from tests.client.conftest import age
from tests.client.double import Double

MINUTES = [-30, -7, 7, 30]  # by which machines with one home folder are ahead

# A machine with a clock of its own: ours and botocore's, before either is imported. Says what became of each request.
JOB = """
import datetime, sys, time
ahead, url = float(sys.argv[1]), sys.argv[2]
right = time.time
time.time = lambda: right() + ahead

class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=ahead)

datetime.datetime = Wrong

import requests
from mlflow_platform.client import cli, errors, sessions, storage
from mlflow_platform.client.tracking import Bearer

print(requests.get(f"{url}/api/run", auth=Bearer(url, verified=True), timeout=30).status_code)
try:
    storage.client(sessions.find(url), "mlflow").put_object(Bucket="mlflow", Key="a", Body=b"a")
    print("uploaded")
except errors.ClientError as error:
    print(error)
cli.main(["status"])
"""


def job(platform: Double, minutes: float) -> list[str]:
    """What a job on a machine says whose clock is this much ahead of the platform's."""
    command = [sys.executable, "-c", JOB, str(platform.ahead + 60 * minutes), platform.url]
    done = subprocess.run(command, cwd="plugin", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def ask(platform: Double) -> int:
    """The status of a request to MLflow that carries the login."""
    return requests.get(f"{platform.url}/api/run", auth=Bearer(platform.url, verified=True), timeout=30).status_code


def trusting_its_file(platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token is over, and this process thinks otherwise: the file is of a wrong clock, and nobody tells the time."""
    age(logged_in, -1200)
    platform.ahead += 300
    monkeypatch.setattr(clock, "heard", lambda date: None)


def test_machines_with_wrong_clocks_share_a_login(platform: Double, logged_in: LoginFile):
    for renewals, order in enumerate([MINUTES, MINUTES[::-1], MINUTES]):
        for minutes in order:
            mlflow, s3, *status = job(platform, minutes)
            assert mlflow == "200"
            if abs(minutes) > 15:
                assert f"clock is {abs(minutes)} min {'ahead of' if minutes > 0 else 'behind'}" in s3
                assert "credentials are given, and not taken" in status[-1]
            else:
                assert s3 == "uploaded"
                assert status[-1].endswith("credentials are given")
        assert platform.asked("refresh_token") == renewals  # by whoever came first, and by nobody while it lasts
        assert len(platform.to("/api/")) == len(MINUTES) * (renewals + 1)  # nor was anything refused
        platform.ahead += platform.lifetime


@pytest.mark.parametrize("minutes", MINUTES)
def test_ends_are_kept_by_the_servers_time(platform: Double, logged_in: LoginFile, minutes: float):
    platform.ahead = 60 * minutes
    age(logged_in, 10_000)
    session = sessions.find(platform.url)
    assert session
    session.access_token()
    login = logged_in.load()
    assert login and login.tokens.session_ends_at
    assert abs(login.tokens.expires_at - platform.now() - platform.lifetime) < 60
    assert abs(login.tokens.session_ends_at - platform.now() - platform.session_life) < 60
    assert abs(login.tokens.remaining() - platform.lifetime) < 60


def test_a_token_that_mlflow_calls_expired_is_renewed_once_for_all(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    trusting_its_file(platform, logged_in, monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ask(platform), range(8))) == {200}
    assert platform.asked("refresh_token") == 1
    assert ask(platform) == 200
    assert platform.asked("refresh_token") == 1


def test_a_server_that_calls_every_token_expired_gets_two(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(platform, "_is_over", lambda authorization: True)
    assert ask(platform) == 401
    assert (len(platform.to("/api/")), platform.asked("refresh_token")) == (2, 1)


def test_a_token_that_is_over_is_not_used_while_keycloak_is_away(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
):
    trusting_its_file(platform, logged_in, monkeypatch)
    login, session = logged_in.load(), sessions.find(platform.url)
    assert login and session
    platform.down = True
    with pytest.raises(errors.Unavailable):
        session.access_token(over=login.tokens.access_token)


def test_a_token_that_sts_calls_expired_is_renewed_once(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    trusting_its_file(platform, logged_in, monkeypatch)
    session = sessions.find(platform.url)
    assert session
    assert storage.credentials(session, discovery.platform(platform.url))
    assert (platform.sts_calls(), platform.asked("refresh_token")) == (2, 1)
    platform.store.error = "ExpiredToken"
    with pytest.raises(errors.ClientError, match="its clock differs from Keycloak's") as refused:
        storage.credentials(session, discovery.platform(platform.url))
    assert (platform.sts_calls(), platform.asked("refresh_token")) == (4, 2)
    assert not [secret for secret in platform.handed_out if secret in str(refused.value)]


def s3(platform: Double) -> Any:
    session = sessions.find(platform.url)
    assert session
    return storage.client(session, "mlflow")


@pytest.mark.parametrize("way", ["put", "head"])
def test_credentials_that_s3_does_not_take_any_more_are_renewed_once(
    platform: Double, logged_in: LoginFile, tmp_path: Path, way: str
):
    client = s3(platform)
    client.put_object(Bucket="mlflow", Key="a", Body=b"content")
    platform.store.keys = dict.fromkeys(platform.store.keys, 0.0)
    if way == "head":  # has no text to say why
        client.download_file("mlflow", "a", str(tmp_path / "a"))
        assert (tmp_path / "a").read_bytes() == b"content"
    else:
        at_once = threading.Barrier(4, timeout=30)

        def upload(key: str) -> None:
            at_once.wait()
            client.put_object(Bucket="mlflow", Key=key, Body=b"content")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(upload, "1234"))
        assert len(platform.store.objects) == 5
    client._request_signer._credentials.refused("AK-of-before")  # by a thread that is late
    client.put_object(Bucket="mlflow", Key="b", Body=b"content")
    assert platform.sts_calls() == 2


def test_credentials_that_s3_never_takes_are_an_error_after_one_more_attempt(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    client = s3(platform)
    monkeypatch.setattr(platform.store, "_refusal", lambda headers: "InvalidTokenId")
    with pytest.raises(S3Error, match="InvalidTokenId"):
        client.put_object(Bucket="mlflow", Key="a", Body=b"a")
    assert (len(platform.to("/mlflow/a")), platform.sts_calls()) == (2, 2)


@pytest.mark.parametrize(("minutes", "told"), [(20, "20 min behind"), (-20, "20 min ahead of")])
def test_a_clock_that_s3_does_not_take_is_told_at_once(
    platform: Double, logged_in: LoginFile, minutes: float, told: str
):
    platform.ahead = 60 * minutes
    for attempt in (s3(platform).put_object, s3(platform).head_object):
        with pytest.raises(errors.ClientError, match=told):
            attempt(Bucket="mlflow", Key="a")
    assert len(platform.to("/mlflow/a")) == 2


@pytest.mark.parametrize("minutes", MINUTES)
@pytest.mark.parametrize("command", ["token", "credentials"])
def test_what_is_printed_for_others_is_good_as_long_as_it_says(
    platform: Double,
    pauses: list[float],
    minutes: float,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    platform.ahead = 60 * minutes
    assert cli.main(["login", "--device"]) == 0
    platform.ahead += 0.4 * platform.lifetime
    monkeypatch.setattr(clock, "_ahead", 0.0)  # as another process, later
    assert cli.main([command]) == 0
    shown = capsys.readouterr().out
    if command == "token":
        assert platform._ends[shown.strip()] - platform.now() > 0.7 * platform.lifetime
    else:  # by this machine's clock, which is what its reader has
        ends = datetime.fromisoformat(json.loads(shown)["Expiration"]).timestamp()
        assert abs(ends - time() - platform.store.life) < 60


@pytest.mark.parametrize("date", [None, "", "soon", "Thu, 99 Foo 2026 00:00:00 GMT", "Fri, 31 Dec 99999 23:59:59 GMT"])
def test_what_is_no_date_changes_no_clock(date: str | None):
    clock.heard(date)
    assert clock.ahead() == 0
