"""A checkout of its own for every test, with nothing in it and nothing of the machine's."""

from pathlib import Path

import pytest

from launcher.paths import Paths


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
