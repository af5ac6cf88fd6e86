"""The renames between the records of before and those that were restored, wherever they are interrupted."""

import subprocess
from pathlib import Path

import pytest

from launcher import recovery
from launcher.recovery import BEFORE, COMING

OLD = {"PG_VERSION": "17", "base/1": "old", "postgresql.conf": "old"}
NEW = {"PG_VERSION": "17", "base/1": "new", "base/2": "new", "postgresql.conf": "new"}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def run(script: str, folder: Path) -> None:
    subprocess.run(["sh", "-euc", script.replace("/data", str(folder))], check=True)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path, OLD)
    write(tmp_path / COMING, NEW)
    return tmp_path


def test_what_was_restored_takes_the_place_of_what_there_was_which_comes_back(data: Path):
    run(recovery._SWAP, data)
    assert {name: text for name, text in content(data).items() if BEFORE not in name} == NEW
    run(recovery._SWAP, data)
    assert content(data / BEFORE) == {**OLD, ".whole": ""}
    run(recovery._BACK, data)
    assert content(data) == OLD
    run(recovery._BACK, data)
    assert content(data) == OLD


@pytest.mark.parametrize("moved", [["PG_VERSION"], ["PG_VERSION", "base"]])
def test_an_exchange_that_was_interrupted_early_goes_on_and_goes_back(data: Path, moved: list[str]):
    (data / BEFORE).mkdir()
    for name in moved:
        (data / name).rename(data / BEFORE / name)
    run(recovery._BACK, data)
    assert content(data) == OLD
    write(data / COMING, NEW)
    (data / BEFORE).mkdir()
    for name in moved:
        (data / name).rename(data / BEFORE / name)
    run(recovery._SWAP, data)
    assert {name: text for name, text in content(data).items() if BEFORE not in name} == NEW


@pytest.mark.parametrize(
    "moved", [[], ["base"], ["base", "postgresql.conf"], ["base", "postgresql.conf", "PG_VERSION"]]
)
def test_a_way_back_that_was_interrupted_goes_on(data: Path, moved: list[str]):
    run(recovery._SWAP, data)
    for name in ("PG_VERSION", "base/1", "base/2", "postgresql.conf"):
        (data / name).unlink()
    (data / "base").rmdir()
    (data / BEFORE / ".whole").unlink()
    for name in moved:
        (data / BEFORE / name).rename(data / name)
    run(recovery._BACK, data)
    assert content(data) == OLD
    assert not (data / BEFORE).exists()
