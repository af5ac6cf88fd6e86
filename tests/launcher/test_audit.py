"""Who did what, put together from the trails of three servers."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from launcher import audit, prepare, trails
from launcher.cli import parse
from launcher.console import Failure
from launcher.paths import Paths
from launcher.realm import Realm
from launcher.state import State
from tests.launcher.deployment import container

DAY = "2026-11-29T"


def _lines(*said: tuple[str, str]) -> str:
    """With Docker's moments before them."""
    return "".join(f"{DAY}10:00:{second}.000000001Z {text}\n" for second, text in said)


def _requests(*said: tuple[str, str, str]) -> str:
    return _lines(*((second, f"{address} [{DAY}10:00:{second}+00:00] {rest}") for second, address, rest in said))


GATEWAY = _requests(
    ("05", "10.0.0.7", "POST /api/2.0/mlflow/runs/create 200 10 0.010 172.0.0.2:5000 - vera vision"),
    ("07", "10.0.0.7", "PUT /mlflow/workspaces/vision/1/a b 200 0 0.010 172.0.0.3:9000 KEY1 - -"),
    ("08", "10.0.0.9", "GET /mlflow/x 403 0 0.010 172.0.0.3:9000 STOLEN - -"),
    ("08", "10.0.0.9", "GET /health 200 0 0.010 172.0.0.2:5000 - - -"),
    ("09", "10.0.0.7", "GET /x 200 0 0.010 a:1, b:2 - j%C3%BCrgen%40example.org nlp"),
    ("09", "10.0.0.7", "neither of these 200"),
)
CREDENTIALS = {"event": "credentials", "user": "vera", "address": "10.0.0.7", "method": "POST", "path": "/session"}
REFUSED = {"event": "refused", "user": None, "address": "10.0.0.9", "method": "GET", "path": "/x", "status": 401}
MLFLOW = _lines(
    ("01", "INFO: started"),
    ("06", json.dumps({**CREDENTIALS, "access_key": "KEY1", "expiration": "e"})),
    ("10", json.dumps({**REFUSED, "reason": "no\x1b[2Jtoken"})),
    ("11", '{"event": broken'),
)


class Keycloak:
    """As much of the realm as is asked."""

    def events(self, since: datetime) -> list[dict[str, Any]]:
        said = {"type": "LOGIN_ERROR", "ipAddress": "10.0.0.9", "error": "invalid_user_credentials"}
        return [{"time": _ms("10:00:04"), **said, "details": {"username": "vera"}}]

    def administrators_events(self, since: datetime) -> list[dict[str, Any]]:
        by = {"authDetails": {"ipAddress": "10.0.0.1"}}
        return [{"time": _ms("10:00:12"), "operationType": "CREATE", "resourcePath": "users/1/groups/2", **by}]


def _ms(time: str) -> float:
    return datetime.fromisoformat(f"{DAY}{time}+00:00").timestamp() * 1000


@pytest.fixture
def logs(programs: Callable[[str, str], Path], tmp_path: Path) -> Path:
    """Containers' logs; `asked` is what Docker was asked for."""
    (tmp_path / "gateway").write_text(GATEWAY)
    (tmp_path / "mlflow").write_text(MLFLOW)
    programs("docker", f'echo "$@" >> {tmp_path}/asked; for id; do :; done; cat {tmp_path}/${{id#id-of-}} >&2')
    return tmp_path


@pytest.fixture
def show(
    logs: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[list[str]]]:
    """The table's rows without the date, by columns."""
    state = State({"resources": [container("gateway"), container("mlflow")]})

    class Stack:
        def state(self, *, secrets: bool) -> State:
            return state

    monkeypatch.setattr(prepare, "stack", lambda *_, **__: Stack())
    monkeypatch.setattr(audit, "Realm", lambda _: Keycloak())

    def run(*arguments: str) -> list[list[str]]:
        options = parse(["audit", *arguments])
        assert options.command(paths, options) == 0
        lines = capsys.readouterr().out.splitlines()
        return [[word.strip() for word in line[11:].split("  ") if word.strip()] for line in lines[1:]]

    return run


def test_all_trails_are_in_one_order_and_credentials_of_s3_have_their_owners_names(
    show: Callable[..., list[list[str]]],
):
    assert show() == [
        ["10:00:04", "Keycloak", "vera", "10.0.0.9", "LOGIN_ERROR", "invalid_user_credentials", "-"],
        ["10:00:05", "MLflow", "vera", "10.0.0.7", "POST /api/2.0/mlflow/runs/create", "200", "vision"],
        ["10:00:06", "MLflow", "vera", "10.0.0.7", "credentials POST /session", "-", "-"],
        ["10:00:07", "S3", "vera", "10.0.0.7", "PUT /mlflow/workspaces/vision/1/a b", "200", "-"],
        ["10:00:08", "S3", "access key STOLEN", "10.0.0.9", "GET /mlflow/x", "403", "-"],
        ["10:00:09", "MLflow", "jürgen@example.org", "10.0.0.7", "GET /x", "200", "nlp"],
        ["10:00:10", "MLflow", "-", "10.0.0.9", "refused GET /x", "status 401, reason no\ufffd[2Jtoken", "-"],
        ["10:00:12", "Keycloak", "administrator", "10.0.0.1", "CREATE users/1/groups/2", "-", "-"],
    ]


def test_one_persons_and_one_workspaces(show: Callable[..., list[list[str]]]):
    assert [row[0] for row in show("--user", "vera")] == ["10:00:04", "10:00:05", "10:00:06", "10:00:07"]
    assert [row[0] for row in show("--room", "vision")] == ["10:00:05", "10:00:07"]
    assert [row[0] for row in show("--room", "vision", "--user", "nobody")] == []


def test_docker_is_asked_for_no_more_than_is_wanted_but_for_whose_credentials_are_whose(
    show: Callable[..., list[list[str]]], logs: Path
):
    show("--since", "2026-11-29 10:00:00")
    asked = (logs / "asked").read_text().splitlines()
    begin = "--since 2026-11-29T10:00:00+00:00"
    assert asked == [
        f"logs --timestamps {begin} id-of-mlflow",
        "logs --timestamps id-of-mlflow",
        f"logs --timestamps {begin} id-of-gateway",
    ]


def test_since_is_a_moment_or_how_long_ago():
    assert audit.since("2026-05-01 14:03:20") == datetime(2026, 5, 1, 14, 3, 20, tzinfo=UTC)
    for text, ago in (("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), ("7d", timedelta(days=7))):
        assert abs(datetime.now(UTC) - audit.since(text) - ago) < timedelta(seconds=5)
    for text in ("yesterday", "7w", "-1d", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            audit.since(text)


def test_a_log_that_is_not_there_is_named(programs: Callable[[str, str], Path]):
    programs("docker", "exit 1")
    state = State({"resources": [container("gateway"), container("mlflow")]})
    with pytest.raises(Failure, match="does not give the log of p-mlflow"):
        trails.events(state, Keycloak(), datetime.now(UTC))  # pyright: ignore[reportArgumentType]
    with pytest.raises(Failure, match="no mlflow"):
        trails.events(State({"resources": []}), Keycloak(), datetime.now(UTC))  # pyright: ignore[reportArgumentType]


def test_keycloak_is_asked_by_days_and_what_is_older_is_left_out(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def pages(_: Realm, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        asked.append((path, query))
        return [{"time": _ms("09:00:00")}, {"time": _ms("11:00:00")}]

    monkeypatch.setattr(Realm, "_pages", pages)
    realm = Realm.__new__(Realm)
    since = datetime.fromisoformat(f"{DAY}10:00:00+00:00")
    assert realm.events(since) == realm.administrators_events(since) == [{"time": _ms("11:00:00")}]
    assert asked == [(path, {"dateFrom": "2026-11-29"}) for path in ("events", "admin-events")]


def test_the_request_lines_are_those_that_the_gateway_writes():
    """The names of its format, in the order in which the trail reads them."""
    from components import gateway

    written = gateway._CONFIGURATION
    format = written[written.index("log_format paths") :].split(";")[0].replace("'\n", "").replace("'", "")
    assert " ".join(format.split()[2:]) == (
        "$remote_addr [$time_iso8601] $request_method $uri $status $body_bytes_sent $request_time $upstream_addr"
        " $access_key $caller"
    )
