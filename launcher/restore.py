"""A stack, or part of one, as it was: from a place and its key alone."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from launcher import bundle, images, inventory
from launcher.bundle import Bundle
from launcher.console import Failure, done, say, step, table
from launcher.paths import Paths
from launcher.places import Source
from launcher.recovery import COMING, DATA, Recovery, side_by_side

_ROOM = 1.2  # times what is to come
_SCRATCH = "/var/lib/backup"


@dataclass(frozen=True)
class Found:
    """What the place has for the time asked for: its mark, the backup's manifest, and the base backup to begin with."""

    place: Mapping[str, Any]
    backup: Mapping[str, Any]
    base: Mapping[str, Any]
    log_bytes: int
    """How long the log is that leads from the base backup to that time, once it is unpacked."""

    @property
    def when(self) -> str:
        return datetime.fromtimestamp(self.backup["time"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


class Restore:
    """One restore: from where, as of when (Unix time; None for all that is there), by which image."""

    def __init__(self, paths: Paths, source: Source, at: float | None, stack: str):
        self.source, self._at = source, at
        self.image = images.ensure(paths, stack, "backup")

    def look(self) -> Found:
        return Found(**json.loads(self._asked(["look"], self.source.asking())))

    def bundle(self) -> Bundle:
        return bundle.unpacked(self._asked(["get-stack"], self.source.asking()))

    def records(self, recovery: Recovery, found: Found) -> None:
        """Brings the records beside those of now, and shows that they are whole."""
        self.fetch(recovery)
        counted = recovery.recover()
        print(table(side_by_side({k: v for k, v in found.backup["counts"].items() if k in counted}, counted)))

    def fetch(self, recovery: Recovery) -> None:
        recovery.clear()
        with step("fetch the records"):
            options = [f"--name={recovery.fetching}", *recovery.labels]
            options += [f"--volume={recovery.volume}:{DATA}", f"--volume={_SCRATCH}"]
            self._asked(["get-database", f"{DATA}/{COMING}"], self.source.asking(), options)

    def artifacts(
        self,
        prefix: str,
        labels: Sequence[str],
        endpoint: Mapping[str, str],
        root: Mapping[str, str],
        bucket: str,
        below: str = "",
    ) -> None:
        """Into the bucket: what is there otherwise becomes an older version, what came later stays."""
        name = f"{prefix}-restore-artifacts"
        s3 = {"endpoint": endpoint["url"], "bucket": bucket, "region": endpoint["region"]}
        asking = self.source.asking(
            settings={"s3": s3}, secrets={"s3_access_key": root["user"], "s3_secret_key": root["password"]}
        )
        inventory.remove_container(name)
        with step("bring back the artifacts"):
            options = [f"--name={name}", *labels, f"--network={prefix}"]
            self._asked(["get-objects", *([f"--below={below}"] if below else [])], asking, options)

    def _asked(self, arguments: Sequence[str], asking: str, options: Sequence[str] = ()) -> bytes:
        """What the backup image prints; its progress is shown, its reason is the failure's."""
        at = [] if self._at is None else [f"--at={self._at}"]
        mounts = [f"--volume={mount}" for mount in self.source.mounts]
        limits = [
            "--read-only",
            "--tmpfs=/run/backup:size=64m",
            "--tmpfs=/tmp:size=16m",
            "--user=0:0",
            "--cap-drop=ALL",
        ]
        limits += ["--cap-add=DAC_OVERRIDE", "--security-opt=no-new-privileges"]
        command = ["docker", "run", "--rm", "--interactive", *limits, *mounts, *options, self.image, *arguments, *at]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as asked:
            assert asked.stdin and asked.stdout and asked.stderr
            asked.stdin.write(asking.encode())
            asked.stdin.close()
            wrong: list[str] = []
            output = asked.stdout.read() if arguments[0] in ("look", "get-stack") else b""
            for line in asked.stderr:
                text = line.decode(errors="replace").rstrip()
                wrong.append(text)
                if text.startswith("   "):
                    say(text)
        if asked.returncode:
            why = next((text for text in reversed(wrong) if text.startswith("error: ")), (wrong or ["it ended"])[-1])
            raise Failure(f"restore: {why.removeprefix('error: ')}")
        return output


def enough_room(found: Found, image: str, volume: str) -> None:
    """Raises Failure where PostgreSQL's volume, or Docker's disk, has less than the restore takes there.

    The records and their log are unpacked on Docker's disk, and recovered on the volume; artifacts go to Docker's disk.
    """
    records = _ROOM * (found.base["data_bytes"] + found.log_bytes)
    rest = records + _ROOM * found.backup["counts"]["bytes"]
    command = ["docker", "run", "--rm", f"--volume={volume}:/data:ro", "--entrypoint=df", image]
    said = subprocess.run(
        [*command, "--output=size,avail", "-B1", "/data", "/"], capture_output=True, text=True, check=False
    ).stdout.split()
    if len(said) == 6:  # two words of heading, and two disks
        _, _, size, left, of_docker, left_of_docker = said
        if (size, left) == (of_docker, left_of_docker):
            _require(records + rest, int(left), "Docker's disk")
        else:
            _require(records, int(left), f"volume {volume}")
            _require(rest, int(left_of_docker), "Docker's disk")
    done("room enough")


def _require(needed: float, left: int, where: str) -> None:
    if needed > left:
        raise Failure(f"The restore takes {needed / 1e9:.1f} GB on {where}, which has {left / 1e9:.1f} GB left.")
