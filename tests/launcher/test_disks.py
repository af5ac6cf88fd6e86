"""Volumes without room are named, whether their server still runs or has ended for want of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher import disks
from launcher.state import State
from tests.launcher.deployment import container

MOUNTS = [
    {"Type": "volume", "Name": "p-data1", "Destination": "/data1", "RW": True},
    {"Type": "volume", "Name": "0" * 64, "Destination": "/run/secrets", "RW": False},
    {"Type": "volume", "Name": "1" * 64, "Destination": "/tmp", "RW": True},
]
INSPECTED = [{"Id": "id-of-minio-1", "Name": "/p-minio-1", "Image": "sha256:0", "Mounts": MOUNTS}]


@pytest.fixture
def sized(programs: Callable[[str, str], Path], tmp_path: Path) -> Callable[[int, bool], list[str]]:
    """What is said of a disk of 1 GB with so much left; and what docker is asked for it."""

    def said(left: int, running: bool = True) -> list[str]:
        (tmp_path / "inspected").write_text(json.dumps(INSPECTED))
        line = f"echo 'Filesystem 1-blocks Used Available'; echo '/dev/vdb 1000000000 {10**9 - left} {left} 99% /data1'"
        script = f'echo "$@" >> {tmp_path}/calls; case "$1" in inspect) cat {tmp_path}/inspected ;;'
        programs("docker", f"{script} exec) {line if running else 'exit 1'} ;; run) {line} ;; esac")
        return disks.full(State({"resources": [container("minio-1")]}))

    return said


def test_a_volume_with_room_is_not_spoken_of(sized: Callable[..., list[str]]):
    assert sized(70_000_000) == []


@pytest.mark.parametrize("running", [True, False])
def test_a_full_volume_is_named_with_what_it_means(sized: Callable[..., list[str]], running: bool, tmp_path: Path):
    assert sized(1_000_000, running) == [
        "p-data1 is full: 1.0 MB of 1.0 GB are left; what p-minio-1 has to store there fails until there is room"
    ]
    asked = [line for line in (tmp_path / "calls").read_text().splitlines() if " df" in line or "=df" in line]
    assert len(asked) == (1 if running else 2)
    assert running or "--volume=p-data1:/data1:ro" in asked[1]


def test_where_docker_does_not_say_nothing_is_said(programs: Callable[[str, str], Path]):
    programs("docker", "exit 1")
    assert disks.full(State({"resources": [container("minio-1")]})) == []
