"""PostgreSQL's side: Barman receives its log as it is written, and takes base backups; both go on to the place.

At the place, `database/<system id>/` has `base/<id>.tar.zst` (the data directory, Barman's description of it and the
log that makes it consistent), `wals/` (whole segments, compressed by Barman) and `streaming/` (the one being written).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from platform_backup.config import RUN, SPOOL, Config
from platform_backup.place import Place

SERVER, SLOT = "main", "barman"
SEGMENT = 16 * 1024 * 1024
_UNFINISHED = 12  # copies of the segment that is being written, until all but the last go

_BARMAN = """[barman]
barman_user = root
barman_home = {spool}
configuration_files_directory = {run}/barman.d
log_level = WARNING
[{server}]
description = the platform's PostgreSQL
conninfo = host={host} port={port} user={user} dbname=postgres connect_timeout=10
streaming_conninfo = host={host} port={port} user={user} connect_timeout=10
backup_method = postgres
streaming_archiver = on
streaming_archiver_batch_size = 50
slot_name = {slot}
create_slot = auto
immediate_checkpoint = true
compression = zstd
path_prefix = /usr/lib/postgresql/17/bin
"""


class DatabaseError(Exception):
    """PostgreSQL or Barman did not do what was asked; the message is one sentence that says why."""


@dataclass(frozen=True)
class Base:
    """A base backup at the place, with the log segments that it needs; `at` is Unix time, of its end.

    `data_bytes` is what it takes on PostgreSQL's disk; `after_gap` is one to which the log from before does not lead.
    """

    id: str
    at: float
    begins: str
    ends: str
    data_bytes: int
    bytes: int
    sha256: str
    after_gap: bool = False

    @property
    def begun(self) -> float:
        """Unix time; Barman's ids are the second in which it began."""
        return datetime.strptime(self.id, "%Y%m%dT%H%M%S").replace(tzinfo=UTC).timestamp()


def system_folder(system: str) -> str:
    return f"database/{system}"


def barman(arguments: list[str], run: Path = RUN) -> str:
    finished = subprocess.run(
        ["barman", "-c", str(run / "barman.conf"), *arguments],
        capture_output=True,
        text=True,
        env=environment(run),
        check=False,
    )
    if finished.returncode:
        lines = [
            line
            for line in (finished.stdout + finished.stderr).splitlines()
            if re.search("ERROR|FAILED|EXCEPTION", line)
        ]
        said = re.sub(r"^[\d: ,-]*(\[\d+\] \S+ )?(ERROR: )?", "", lines[-1]) if lines else "it ended without a word"
        raise DatabaseError(f"barman {arguments[0]}: {said}")
    return finished.stdout


def environment(run: Path = RUN) -> dict[str, str]:
    return {**os.environ, "PGPASSFILE": str(run / "pgpass"), "HOME": str(run), "TMPDIR": str(run)}


def configure(config: Config, spool: Path = SPOOL, run: Path = RUN) -> None:
    """Barman's configuration, and the password where no command line shows it; a restore asks no server."""
    postgres = config.settings.get("postgres") or {"host": "nowhere", "port": 5432, "user": "nobody"}
    (run / "barman.d").mkdir(parents=True, exist_ok=True)
    (run / "barman.conf").write_text(_BARMAN.format(spool=spool, run=run, server=SERVER, slot=SLOT, **postgres))
    passwords = run / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"*:*:*:*:{config.secrets.get('postgres_password', '')}\n")


Connect = Callable[[str], AbstractContextManager["psycopg.Connection[DictRow]"]]
"""Of a database's name."""


@contextmanager
def _connected(**target: Any) -> Iterator["psycopg.Connection[DictRow]"]:
    try:
        with psycopg.Connection[DictRow].connect(**target, connect_timeout=10, row_factory=dict_row) as connection:
            yield connection
    except psycopg.Error as error:
        raise DatabaseError(f"PostgreSQL: {' '.join(str(error).split())}") from None


def on_socket(folder: str, database: str) -> AbstractContextManager["psycopg.Connection[DictRow]"]:
    """As the superuser, whom the server takes root for on the same machine."""
    return _connected(host=folder, user="postgres", dbname=database)


class Database:
    """Everything between PostgreSQL and the place but the receiver; one thread at a time."""

    def __init__(self, config: Config, place: Place, spool: Path = SPOOL):
        self._postgres = config.settings["postgres"]
        self._databases = config.settings["databases"]
        self._place = place
        self._home = spool / SERVER
        self._shipped: set[str] = set()
        self._unfinished: list[str] = []
        configure(config, spool)

    def connected(self, database: str = "postgres") -> AbstractContextManager["psycopg.Connection[DictRow]"]:
        # The password is in the file.
        return _connected(
            host=self._postgres["host"],
            port=self._postgres["port"],
            user=self._postgres["user"],
            dbname=database,
            passfile=str(RUN / "pgpass"),
        )

    def system(self) -> str:
        """PostgreSQL's own identifier, another one for every initdb; sets aside what is of a server that is no more."""
        with self.connected() as connection:
            row = connection.execute("SELECT system_identifier::text AS id FROM pg_control_system()").fetchone()
        system = row["id"] if row else ""
        identity = self._home / "identity.json"
        if identity.exists() and json.loads(identity.read_text()).get("systemid") != system:
            shutil.rmtree(self._home)  # all of it is at the place
        return system

    def make_folders(self) -> None:
        """Barman's, below its home."""
        for name in ("streaming", "wals", "incoming", "errors", "base", "meta"):
            (self._home / name).mkdir(parents=True, exist_ok=True)

    def begin(self, folder: str) -> None:
        """The place's folder from now on; what it has there is looked up anew, and half of a file is none."""
        self.make_folders()
        wals = self._home / "wals"
        self._shipped = {
            stored.path
            for stored in self._place.files(f"{folder}/wals")
            if not (own := wals / stored.path).exists() or own.stat().st_size == stored.size
        }
        self._unfinished = [stored.path for stored in self._place.files(f"{folder}/streaming")]

    def ship(self, folder: str) -> int | None:
        """Sends what the place has not; the position in the log up to which it has all, None where nobody knows."""
        if len(list((self._home / "streaming").iterdir())) > 1:  # Barman leaves the newest, whole or not
            barman(["archive-wal", SERVER])
        wals = self._home / "wals"
        there = {str(file.relative_to(wals)) for file in wals.rglob("*") if file.is_file() and file.suffix != ".db"}
        if new := sorted(there - self._shipped):
            self._place.copy(str(wals), f"place:{folder}/wals", paths=new)
            self._shipped |= set(new)
        self._shipped &= there  # what Barman removed is not asked for again
        return self._ship_newest(f"{folder}/streaming")

    def waiting(self) -> int:
        """Bytes of the log that are here and not at the place."""
        folders = (self._home / "wals", self._home / "streaming")
        files = [file for folder in folders for file in folder.rglob("*") if file.suffix != ".db"]
        shipped = {self._home / "wals" / path for path in self._shipped}
        with suppress(FileNotFoundError):  # it has just got its final name
            return sum(file.stat().st_size for file in files if file.is_file() and file not in shipped)
        return 0

    def _ship_newest(self, folder: str) -> int | None:
        """Each time under another name, so that what is there already is never half written over."""
        newest = max((self._home / "streaming").iterdir(), key=lambda file: file.name, default=None)
        if newest is None:
            return None
        try:
            written = newest.read_bytes().rstrip(b"\0")  # the receiver makes it of zeros first
        except FileNotFoundError:  # it has just got its final name
            return None
        segment = newest.name.removesuffix(".partial")
        name = f"{segment}.{len(written):08}.zst"
        if name not in self._unfinished:
            packed = subprocess.run(["zstd", "-q", "-1", "-c"], input=written, capture_output=True, check=True).stdout
            self._place.write_new(f"{folder}/{name}", packed)
            self._unfinished.append(name)
        if len(self._unfinished) > _UNFINISHED:
            needless = sorted(set(self._unfinished) - self._last_of_each())
            self._place.delete(folder, needless)
            self._unfinished = [name for name in self._unfinished if name not in needless]
        return position(segment) + (SEGMENT if segment == newest.name else len(written))

    def _last_of_each(self) -> set[str]:
        """Of each segment that is not there whole, its longest copy: a timeline that was left ends with one."""
        whole = {path.rpartition("/")[2] for path in self._shipped}
        return set({name.partition(".")[0]: name for name in sorted(self._unfinished)}.values()) - {
            name for name in self._unfinished if name.partition(".")[0] in whole
        }

    def restore_point(self, name: str) -> dict[str, Any]:
        """Marks this moment in the log, and closes the segment that it is in; `time` is PostgreSQL's clock's."""
        with self.connected() as connection:
            point = connection.execute(
                "SELECT pg_create_restore_point(%s), clock_timestamp() AS time", [name]
            ).fetchone()
            # A restore to a time ends at the first commit after it: on an idle server this is the one.
            connection.execute("SELECT pg_current_xact_id()")
            connection.commit()
            end = connection.execute("SELECT pg_switch_wal()::text AS lsn").fetchone()
        assert point and end
        return {"lsn": end["lsn"], "time": point["time"].timestamp()}

    def written(self) -> int:
        """How far the log is on PostgreSQL's disk."""
        with self.connected() as connection:
            row = connection.execute("SELECT pg_current_wal_flush_lsn() - '0/0' AS lsn").fetchone()
        return int(row["lsn"]) if row else 0


def position(segment: str) -> int:
    """Where a log segment begins.

    >>> f"{position('0000000100000002000000A1'):X}"
    '2A1000000'
    """
    return int(segment[8:16], 16) << 32 | int(segment[16:], 16) * SEGMENT
