"""Rounds of retention: each a process of its own, whose failure is nobody else's."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow_platform.server import audit, retention
from mlflow_platform.server.__main__ import migrate
from mlflow_platform.server.browser import session_table
from mlflow_platform.server.trail import table
from sqlalchemy import create_engine, insert, select

from tests.plugin.no_network import SETTINGS


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "server.json").write_text(SETTINGS.model_dump_json())
    monkeypatch.setenv("MLFLOW_PLATFORM_CONFIG", str(tmp_path / "server.json"))
    databases = f"sqlite:///{tmp_path}/mlflow.db", f"sqlite:///{tmp_path}/auth.db"
    migrate(*databases)
    file = tmp_path / "secrets"
    file.write_text("MLFLOW_BACKEND_STORE_URI={}\nMLFLOW_PLATFORM_AUTH_DATABASE_URI={}\n".format(*databases))
    for line in file.read_text().splitlines():  # a round puts them into its own process's environment
        monkeypatch.setenv(line.partition("=")[0], "")
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "false")
    monkeypatch.setattr("os.nice", lambda by: by)
    monkeypatch.setattr("logging.config.dictConfig", lambda config: None)
    return file


def test_a_round_deletes_every_session_that_has_ended_though_nobody_comes(secrets: Path, tmp_path: Path) -> None:
    now = time.time()
    auth = create_engine(f"sqlite:///{tmp_path}/auth.db")
    idle = now - SETTINGS.session_idle_seconds - 1
    ended = [_session(f"ended-{number}", idle) for number in range(session_table.SWEPT_AT_ONCE + 1)]
    with auth.begin() as connection:
        connection.execute(insert(session_table._TABLE), [*ended, _session("alive", now)])
    assert retention.main(secrets) == 0
    with auth.connect() as connection:
        assert connection.scalars(select(session_table._TABLE.c.id)).all() == ["alive"]


def test_a_round_ends_events_that_are_older_than_the_settings_say(secrets: Path, tmp_path: Path) -> None:
    auth = create_engine(f"sqlite:///{tmp_path}/auth.db")
    days = SETTINGS.events_days * 86_400_000_000
    kept, old = audit.now() - days + 60_000_000, audit.now() - days - 1
    table.add(auth, [audit.Event(at=at, trail="MLflow", what="GET /") for at in (kept, old)])
    assert retention.main(secrets) == 0
    with auth.connect() as connection:
        assert connection.scalars(select(table._TABLE.c.at)).all() == [kept]


def _session(id: str, used_at: float) -> dict[str, Any]:
    times = dict.fromkeys(("created_at", "used_at", "renew_at", "expires_at"), used_at)
    return {"id": id, "login": id, "claimed_until": 0.0, "tokens": b"", **times}


class Enough(Exception):
    """The test has seen what it waited for."""


def test_a_round_that_fails_is_said_and_the_next_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise Enough

    def run(command: list[str], **options: object) -> None:
        if len(pauses) == 1:
            raise subprocess.CalledProcessError(1, command)
        if len(pauses) == 2:
            raise OSError("no memory")

    monkeypatch.setattr("time.sleep", sleep)
    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(Enough):
        retention._rounds()
    assert pauses == [retention.FIRST, *[retention.EVERY] * 3]
    assert capsys.readouterr().err.count("a round of retention failed") == 2


def test_the_days_are_the_settings(secrets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.loads((tmp_path / "server.json").read_text())
    (tmp_path / "server.json").write_text(json.dumps({**said, "deleted_days": 7}))
    asked: list[tuple[str, int, tuple[str, ...]]] = []

    class Garbage:
        def __init__(self, database: str, bucket: str, days: int, workspaces: tuple[str, ...]):
            asked.append((bucket, days, workspaces))

        def collect(self) -> int:
            return 2

    monkeypatch.setattr("mlflow_platform.server.within.garbage.Garbage", Garbage)
    assert retention.main(secrets) == 1
    assert asked == [("mlflow", 7, ())]
