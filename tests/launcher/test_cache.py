"""The caches: whole or not at all, and made once."""

import threading
import time
from pathlib import Path

import pytest

from launcher.cache import Cache, key_of
from launcher.console import Failure


def content(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir() if not item.name.startswith(".lock"))


def test_an_entry_is_made_once(tmp_path: Path):
    cache, calls = Cache(tmp_path / "cache"), []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "result").write_text("made")

    assert cache.entry("key", make) == cache.entry("key", make)
    assert ((tmp_path / "cache" / "key" / "result").read_text(), len(calls)) == ("made", 1)


@pytest.mark.parametrize("stop", [Failure("the build failed"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_nothing_is_left_of_an_entry_that_could_not_be_made(tmp_path: Path, stop: BaseException):
    def make(folder: Path) -> None:
        (folder / "half").write_text("written")
        raise stop

    with pytest.raises((Failure, KeyboardInterrupt)):
        Cache(tmp_path).entry("key", make)
    assert content(tmp_path) == []


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path):
    (tmp_path / ".unfinished-abc").mkdir()
    Cache(tmp_path).entry("key", lambda folder: None)
    assert content(tmp_path) == ["key"]


def test_a_second_process_waits_for_the_first_and_takes_its_result(tmp_path: Path):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.1)

    threads = [threading.Thread(target=Cache(tmp_path).entry, args=("key", make)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_full_disk_is_named(tmp_path: Path):
    def make(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(Failure, match="No space left on device"):
        Cache(tmp_path).entry("key", make)


def test_a_key_changes_with_every_input_and_with_where_one_ends():
    assert len({key_of("a", "b"), key_of("ab"), key_of("a", "c"), key_of("a"), key_of(b"b", "a")}) == 5
