"""Records out of a backup: recovered beside the running server on its own volume, looked at, then put in its place.

On PostgreSQL's volume, `.restored` is what is coming and `.before-restore` what there was. Only renames stand between
the two, in an order that goes on wherever it was interrupted; PG_VERSION, by which a server knows its data, goes first
and comes last.
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from launcher import inventory
from launcher.console import Failure, step
from launcher.processes import answer

DATA = "/var/lib/postgresql/data"
COMING, BEFORE = ".restored", ".before-restore"
_RECOVERED_WITHIN = 6 * 3600.0
_NOTHING_LATER = "before configured recovery target was reached"
_SWAP = f"""
cd /data
mkdir -p {BEFORE}
[ ! -e {COMING} ] || [ ! -e PG_VERSION ] || [ -e {BEFORE}/PG_VERSION ] || mv PG_VERSION {BEFORE}/
if [ -e {COMING} ]; then
    if [ ! -e {BEFORE}/.whole ]; then
        find . -mindepth 1 -maxdepth 1 ! -name {COMING} ! -name {BEFORE} ! -name lost+found -exec mv -t {BEFORE} {{}} +
        touch {BEFORE}/.whole
    fi
    find {COMING} -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t . {{}} +
    rm -f postgresql.conf.origin backup_manifest.* .barman-recover.info
    [ ! -e postgresql.auto.conf.origin ] || mv postgresql.auto.conf.origin postgresql.auto.conf  # without the recovery
    mv {COMING}/PG_VERSION .
    rmdir {COMING}
fi
"""
_BACK = f"""
cd /data
[ -e {BEFORE} ] || exit 0
rm -rf {COMING}
if [ -e {BEFORE}/.whole ]; then  # else what there was is partly here already, or still
    rm -f PG_VERSION
    find . -mindepth 1 -maxdepth 1 ! -name {BEFORE} ! -name lost+found -exec rm -rf {{}} +
    rm {BEFORE}/.whole
fi
find {BEFORE} -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t . {{}} +
[ ! -e {BEFORE}/PG_VERSION ] || mv {BEFORE}/PG_VERSION .
rmdir {BEFORE}
"""


@dataclass(frozen=True)
class Recovery:
    """`volume` is PostgreSQL's; `server` and `backup` are images. What it starts carries the stack's labels."""

    prefix: str
    labels: tuple[str, ...]
    volume: str
    server: str
    backup: str

    @property
    def name(self) -> str:
        """Of the container with the recovered server."""
        return f"{self.prefix}-restore-postgres"

    @property
    def fetching(self) -> str:
        """Name of the container that brings what is coming: it outlives a launcher that is killed."""
        return f"{self.prefix}-restore-records"

    def recover(self) -> dict[str, int]:
        """Replays the log on what is coming; how much it then has of everything."""
        mount = [f"--volume={self.volume}:{DATA}", "--user=0:0", "--cap-drop=ALL", "--cap-add=DAC_OVERRIDE"]
        with self.running() as folder:
            command = ["docker", "run", "--rm", "--network=none", *self.labels, *mount, self.backup, "count", folder]
            counted = subprocess.run(command, capture_output=True, text=True, check=False)
        if counted.returncode:
            raise Failure(f"the restored records cannot be read: {counted.stderr.strip().removeprefix('error: ')}")
        return json.loads(counted.stdout)

    @contextmanager
    def running(self) -> Iterator[str]:
        """A server on what is coming, that nobody reaches but by the socket in this folder of its volume."""
        self.clear()
        folder = f"{DATA}/{COMING}"
        quiet = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "restart_after_crash=off"]
        options = ["--name", self.name, "--network=none", *self.labels, f"--volume={self.volume}:{DATA}"]
        rights = [f"--cap-add={right}" for right in ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")]
        options += ["--cap-drop=ALL", *rights, "--security-opt=no-new-privileges", f"--env=PGDATA={folder}"]
        start = ["run", "--detach", *options, self.server, "postgres", *quiet]
        try:
            with step("replay the log"):
                inventory.do("start a server for the restore", start)
                why = self._until_recovered(folder)
                if why and _NOTHING_LATER in why:  # so all that there is belongs to the restore
                    self.clear()
                    untimed = f"sed -i /recovery_target_time/d /data/{COMING}/postgresql.auto.conf"
                    self._on_volume("recover to the end of the log", untimed)
                    inventory.do("start a server for the restore", start)
                    why = self._until_recovered(folder)
                if why:
                    raise Failure(f"the restored records do not come up: {why}")
            yield folder
            inventory.do("stop the restore's server", ["stop", "--time=120", self.name])
        finally:
            self.clear()

    def _until_recovered(self, folder: str) -> str | None:
        """Why it did not, in PostgreSQL's words."""
        deadline = time.monotonic() + _RECOVERED_WITHIN
        asked = ["psql", f"--host={folder}", "--username=postgres", "-Atc", "SELECT pg_is_in_recovery()"]
        while answer(["docker", "exec", self.name, *asked]) != "f":
            if answer(["docker", "inspect", "--format={{.State.Running}}", self.name]) != "true":
                logs = ["docker", "logs", "--tail=20", self.name]
                said = subprocess.run(logs, capture_output=True, text=True, check=False).stderr
                fatal = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line]
                return fatal[-1].partition("FATAL:")[2].strip() if fatal else "it ended without a reason"
            if time.monotonic() > deadline:
                return f"the log is not replayed after {_RECOVERED_WITHIN / 3600:.0f} hours"
            time.sleep(1)
        return None

    def clear(self) -> None:
        """What an interrupted restore may have left running."""
        for name in (self.fetching, self.name):
            inventory.remove_container(name)

    def swap(self) -> None:
        """The restored records for those of before, which stay beside them; no server may run on the volume."""
        self._on_volume("exchange the records", _SWAP)

    def back(self) -> None:
        """What there was before, where an exchange has begun."""
        self._on_volume("put the records of before back", _BACK)

    def forget_before(self) -> None:
        self._on_volume("remove the records of before", f"rm -rf /data/{BEFORE} /data/{COMING}")

    def forget_coming(self) -> None:
        """What was fetched and is not going to be served: it takes the running server's room."""
        self.clear()
        self._on_volume("remove what was fetched", f"rm -rf /data/{COMING}")

    def exchanged(self) -> bool:
        """Whether what there was before is still beside what was restored."""
        return self._there(f"{BEFORE}/.whole")

    def exchanging(self) -> bool:
        """Whether an exchange has begun, or the way back from one, and neither has ended."""
        return self._there(BEFORE)

    def _there(self, file: str) -> bool:
        return self._script(f"[ ! -e /data/{file} ] || echo yes").stdout.strip() == "yes"

    def _on_volume(self, what: str, script: str) -> None:
        finished = self._script(script)
        if finished.returncode:
            raise Failure(f"cannot {what}: {finished.stderr.strip()}")

    def _script(self, script: str) -> "subprocess.CompletedProcess[str]":
        options = ["--network=none", "--user=0:0", *self.labels, f"--volume={self.volume}:/data", "--entrypoint=sh"]
        command = ["docker", "run", "--rm", *options, self.server, "-euc", script]
        return subprocess.run(command, capture_output=True, text=True, check=False)


def side_by_side(backup: Mapping[str, int], restored: Mapping[str, int]) -> list[tuple[str, ...]]:
    """A table of counts: as the backup's manifest has them, and as they are."""
    rows = [(what, f"{count:,}", f"{restored[what]:,}" if what in restored else "-") for what, count in backup.items()]
    return [("WHAT", "BACKUP", "RESTORED"), *rows]
