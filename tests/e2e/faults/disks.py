"""Volumes on disks of their own, so small that a test can fill them: ext4 in files, which needs root."""

import subprocess
from pathlib import Path

import docker

from components.images import BASE
from tests.e2e.stack import Stack


class Disk:
    """A volume of a stack that has not been made yet; it takes this one for its own."""

    def __init__(self, stack: Stack, volume: str, megabytes: int):
        self.name = f"mlflow-{stack.name}-{volume}"
        image = Path(stack.backend.parent, f"{volume}.ext4")
        _run("truncate", f"--size={megabytes}M", str(image))
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        self._device = _run("losetup", "--find", "--show", str(image))
        labels = {"mlflow-platform.stack": stack.name, "mlflow-platform.prefix": f"mlflow-{stack.name}"}
        options = {"type": "ext4", "device": self._device}
        docker.from_env().volumes.create(self.name, driver="local", driver_opts=options, labels=labels)
        self.do("rmdir /disk/lost+found")  # which MinIO would take for data

    def do(self, script: str) -> None:
        """Runs a script as root in a container that has the volume at /disk."""
        volumes = {self.name: {"bind": "/disk", "mode": "rw"}}
        docker.from_env().containers.run(
            BASE["local"], ["sh", "-euc", script], volumes=volumes, remove=True, network_mode="none"
        )

    def fill(self) -> None:
        """To the last block."""
        self.do("cat /dev/zero > /disk/.filler 2> /dev/null || true")

    def make_room(self) -> None:
        self.do("rm -f /disk/.filler")

    def close(self) -> None:
        """Once its volume is gone."""
        _run("losetup", "--detach", self._device)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
