"""A checkout of its own for every test, with nothing in it and nothing of the machine's."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher import console
from launcher.inventory import Thing
from launcher.paths import Paths
from tests.launcher.deployment import PROJECT, FakeDocker


@pytest.fixture(autouse=True)
def talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process begins: what an earlier command was to be quiet about is told again."""
    monkeypatch.setattr(console, "_quiet", threading.Event())


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(root=tmp_path / "checkout", cache=tmp_path / "cache")
    found.own.mkdir(parents=True)
    return found


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a shell script on PATH under a name; nothing else is there but the shell's own tools."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def add(name: str, body: str) -> Path:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    return add


@pytest.fixture
def daemon(programs: Callable[[str, str], Path], tmp_path: Path) -> FakeDocker:
    def show(things: list[Thing]) -> None:
        for kind, key in (("container", "Names"), ("network", "Name"), ("volume", "Name")):
            lines = [
                {
                    "ID": thing.id,
                    key: thing.name,
                    "State": thing.state,
                    "Status": "Up 3 minutes (healthy)",
                    "Labels": f"mlflow-platform.stack={thing.stack},mlflow-platform.prefix={thing.prefix}"
                    + ("" if thing.runs else ",mlflow-platform.files=it"),
                }
                for thing in things
                if thing.kind == kind
            ]
            for line in lines:
                if kind == "volume":
                    del line["ID"]
            (tmp_path / f"listed-{kind}").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    show([])
    programs(
        "docker",
        f"""echo "$@" >> {tmp_path}/calls
case "$1 $2" in
  ps*) cat {tmp_path}/listed-container ;;
  "network ls") cat {tmp_path}/listed-network ;;
  "volume ls") cat {tmp_path}/listed-volume ;;
  *inspect) echo '"2026-11-27T10:20:30.123456789Z"' ;;
esac""",
    )
    return FakeDocker(tmp_path, show)


@pytest.fixture
def checkout(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """One with a project, in which no other backend is set."""
    (paths.root / "Pulumi.yaml").write_text(PROJECT)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    return paths
