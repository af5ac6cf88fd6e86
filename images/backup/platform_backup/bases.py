"""Base backups: the data directory as a whole, taken and looked through by Barman, and sent as one file."""

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from platform_backup.config import SPOOL
from platform_backup.database import SERVER, Base, Database, DatabaseError, barman
from platform_backup.place import Place

_CHUNK = 1 << 20
_SEGMENT_NAME = re.compile(r"^[0-9A-F]{24}$")
_WAITED = 120.0  # seconds for the log that a base backup needs


class BaseBackups:
    """One at a time, and while nobody else ships the log."""

    def __init__(self, database: Database, place: Place, spool: Path = SPOOL):
        self._database, self._place = database, place
        self._home = spool / SERVER

    def take(self, folder: str, *, after_gap: bool = False) -> Base:
        """A full backup, complete and looked through, at the place; older ones in the spool are no longer needed."""
        self._database.ship(folder)  # or there is no use in beginning
        self._clear_leftovers(folder)
        if not any((self._home / "wals").iterdir()):
            self._until(folder, lambda: any((self._home / "wals").iterdir()), "the first of the log")
        barman(["backup", SERVER])
        id = json.loads(barman(["-f", "json", "list-backups", SERVER]))[SERVER][0]["backup_id"]
        self._until(folder, lambda: self._described(id)["status"] == "DONE", f"the log of base backup {id}")
        found = self._described(id)
        barman(["verify-backup", SERVER, id])
        info = found["base_backup_information"]
        begins, ends = info["begin_wal"], info["end_wal"]
        size, digest = self._send_base(id, begins, ends, f"{folder}/base/{id}.tar.zst")
        base = Base(
            id, float(info["end_time_timestamp"]), begins, ends, info["backup_size_bytes"], size, digest, after_gap
        )
        self._place.write(f"{folder}/base/{id}.json", json.dumps(base.__dict__).encode())
        self._database.ship(folder)  # Barman deletes with a base what of the log came before the next
        for older in json.loads(barman(["-f", "json", "list-backups", SERVER]))[SERVER]:
            if older["backup_id"] != id:
                barman(["delete", SERVER, older["backup_id"]])
        return base

    def _clear_leftovers(self, folder: str) -> None:
        """Base backups that were interrupted, or could not be sent; the log that came meanwhile stays."""
        sent = {stored.path.partition(".")[0] for stored in self._place.files(f"{folder}/base")}
        for left in [*(self._home / "base").iterdir(), *(self._home / "meta").glob("*-backup.info")]:
            if left.name.removesuffix("-backup.info") not in sent:
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _until(self, folder: str, there: Callable[[], bool], what: str) -> None:
        """Waits for some of the log; on an idle server nothing but a switch ends a segment."""
        deadline = time.monotonic() + _WAITED
        while not there():
            if time.monotonic() > deadline:
                raise DatabaseError(f"{what} did not arrive within {_WAITED:.0f} s")
            self._database.restore_point("end of a segment")
            time.sleep(1)
            self._database.ship(folder)

    def _described(self, id: str) -> dict[str, Any]:
        barman(["check-backup", SERVER, id])
        return json.loads(barman(["-f", "json", "show-backup", SERVER, id]))[SERVER]

    def _send_base(self, id: str, begins: str, ends: str, path: str) -> tuple[int, str]:
        """Data directory, description and needed log as one file; its size and SHA-256, before encryption."""
        meta = next(
            file for file in (f"meta/{id}-backup.info", f"base/{id}/backup.info") if (self._home / file).exists()
        )
        wals = self._home / "wals"
        needed = [
            str(file.relative_to(self._home))
            for file in sorted(wals.rglob("*"))
            if _SEGMENT_NAME.match(file.name) and begins <= file.name <= ends
        ]
        packing = subprocess.Popen(
            ["tar", "--zstd", "-C", str(self._home), "-cf", "-", f"base/{id}", meta, "identity.json", *needed],
            stdout=subprocess.PIPE,
        )
        size, digest = 0, hashlib.sha256()

        def passed_on() -> Iterator[bytes]:
            nonlocal size
            while chunk := packing.stdout.read(_CHUNK):  # type: ignore[union-attr]
                size += len(chunk)
                digest.update(chunk)
                yield chunk
            if packing.wait():
                raise DatabaseError(f"base backup {id} could not be packed (tar ended with {packing.returncode})")

        self._place.stream_in(path, passed_on())
        return size, digest.hexdigest()
