"""One stack for these tests, with small disks, backups in quick rounds, and clients that write to it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess

import pytest
from docker.models.containers import Container

from tests.e2e.checkouts import until_well
from tests.e2e.conftest import Platform
from tests.e2e.faults.disks import Disk
from tests.e2e.faults.writers import Writers
from tests.e2e.stack import Stack

OFTEN = {"to": "volume", "database_seconds": 1, "artifacts_every": 15}


@dataclass
class Faulty:
    """A stack with its users, and the disks under its servers' data."""

    platform: Platform
    postgres: Disk
    minio: Disk

    @property
    def stack(self) -> Stack:
        return self.platform.stack

    def status(self) -> CompletedProcess[str]:
        return self.stack.platform("status")

    def is_well(self, within: float) -> None:
        until_well(self.status, within)

    def heals(self, writers: Writers, within: float) -> None:
        """Of what is just over: clients store again, and all is well again."""
        over = time.time()
        writers.both_store(within)
        self.is_well(within)
        print(f"all was well {time.time() - over:.0f} s later")

    def says(self, *words: str, within: float = 180) -> str:
        """What `./platform status` prints, once it has all of these words and is red."""
        deadline = time.monotonic() + within
        while True:
            shown = self.status()
            text = shown.stdout + shown.stderr
            if shown.returncode == 1 and all(word in text for word in words):
                return text
            assert time.monotonic() < deadline, text
            time.sleep(1)


def kill(container: Container) -> bool:
    """Its main process, from outside, so that Docker starts it again; False where none runs at the moment."""
    container.reload()
    if not (pid := container.attrs["State"]["Pid"]):
        return False
    os.kill(pid, signal.SIGKILL)
    return True


def until(true: Callable[[], bool], within: float, what: str) -> None:
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(0.5)


@pytest.fixture(scope="package")
def faulty(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    stack = Stack(tmp_path_factory.mktemp("faults"), {"backup": OFTEN})
    disks: list[Disk] = []
    try:
        disks += [Disk(stack, "postgres", 2000), Disk(stack, "minio-1-data1", 700)]
        stack.up()  # not the launcher's, which takes these volumes for those of a stack that lost its state
        made = stack.platform("backup", "now")
        assert made.returncode == 0, made.stderr
        yield Faulty(Platform(stack, stack.outputs()), *disks)
    finally:
        try:
            destroyed = stack.platform("destroy", "--yes", "--delete-data")
        finally:
            left = stack.clear()
            for disk in disks:
                disk.close()
    assert (destroyed.returncode, left) == (0, []), destroyed.stderr
