"""`./platform audit`: what MLflow's container is asked, and how its answer is shown."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launcher import audit, prepare
from launcher.cli import parse
from launcher.console import Failure
from launcher.paths import Paths
from launcher.state import State
from tests.launcher.deployment import container

SAID = {
    "trail": "S3",
    "user": "vera",
    "address": "10.0.0.7",
    "what": "GetObject mlflow/a",
    "outcome": "200",
    "room": "",
}


@pytest.fixture
def show(
    programs: Callable[[str, str], Path],
    paths: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., list[list[str]]]:
    """The table's rows by columns; `asked` is what Docker was asked for."""
    events = [{**SAID, "at": 2_000_000, "what": "no\x1b[2Jcursor"}, {**SAID, "at": 1_000_000}]
    (tmp_path / "said").write_text("".join(json.dumps(event) + "\n" for event in events))
    programs("docker", f'echo "$@" >> {tmp_path}/asked; cat {tmp_path}/said')

    class Stack:
        def state(self) -> State:
            return State({"resources": [container("mlflow")]})

    monkeypatch.setattr(prepare, "stack", lambda *_, **__: Stack())

    def run(*arguments: str) -> list[list[str]]:
        options = parse(["audit", *arguments])
        assert options.command(paths, options) == 0
        lines = capsys.readouterr().out.splitlines()
        return [[word.strip() for word in line.split("  ") if word.strip()] for line in lines[1:]]

    return run


def test_the_newest_comes_last_and_nobodys_words_move_the_cursor(show: Callable[..., list[list[str]]]):
    assert show() == [
        ["1970-01-01 00:00:01", "S3", "vera", "10.0.0.7", "GetObject mlflow/a", "200", "-"],
        ["1970-01-01 00:00:02", "S3", "vera", "10.0.0.7", "no\ufffd[2Jcursor", "200", "-"],
    ]


def test_mlflow_is_asked_for_what_is_wanted(show: Callable[..., list[list[str]]], tmp_path: Path):
    show("--since", "1970-01-01 00:01:00", "--user=--vera", "--room", "vision")
    program = "python -m mlflow_platform.server.trail"
    assert (tmp_path / "asked").read_text() == f"exec id-of-mlflow {program} 60000000 --user=--vera --room=vision\n"


def test_a_server_that_says_nothing_is_named_and_so_are_the_logs(
    show: Callable[..., list[list[str]]], programs: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
):
    programs("docker", "echo container is not running >&2; exit 1")
    with pytest.raises(Failure, match=r"p-mlflow does not say what happened \(container is not running\).*docker logs"):
        show()
    monkeypatch.setattr(State, "container", lambda *_: None)
    with pytest.raises(Failure, match="no MLflow"):
        show()


def test_since_is_a_moment_or_how_long_ago():
    assert audit.since("2026-05-01 14:03:20") == datetime(2026, 5, 1, 14, 3, 20, tzinfo=UTC)
    for text, ago in (("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), ("7d", timedelta(days=7))):
        assert abs(datetime.now(UTC) - audit.since(text) - ago) < timedelta(seconds=5)
    for text in ("yesterday", "7w", "-1d", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            audit.since(text)
