"""The artifacts' side: MinIO says what changes, and each round copies that alone.

At the place, `artifacts/now/` is the bucket as of the last round, and `artifacts/before/<round>/` what that round
overwrote or deleted. An index in the spool has what the place has; when a stream of events breaks off, or the index is
new, one round compares everything.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio

from platform_backup.config import SPOOL, Config
from platform_backup.place import Place, TooLong

NOW = "artifacts/now"
BEFORE = "artifacts/before"
_EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
_QUIET = 90.0  # seconds without even MinIO's sign of life, after which the stream counts as broken
_FAST = ("--use-server-modtime", "--fast-list")


class Changes:
    """Keys of what changed since they were last taken, gathered in the background from MinIO's own notifications."""

    def __init__(self, config: Config):
        s3 = config.settings["s3"]
        pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10, read=_QUIET), retries=False)
        self._client = Minio(
            s3["endpoint"].partition("://")[2],
            config.secrets["s3_access_key"],
            config.secrets["s3_secret_key"],
            region=s3["region"],
            secure=False,
            http_client=pool,
        )
        self._bucket = s3["bucket"]
        self._lock = threading.Lock()
        self._written: dict[str, int] = {}
        self._removed: set[str] = set()
        self._whole = True  # nothing is known yet
        self._listening = threading.Event()

    def listen(self, well: Callable[[], None]) -> None:
        """Until the stream breaks off, which is an exception; what happened meanwhile, nobody has heard of."""
        try:
            with self._client.listen_bucket_notification(self._bucket, events=_EVENTS) as events:
                self._listening.set()
                well()
                for event in events:
                    for record in event.get("Records") or []:
                        self._take(record)
        finally:
            self._listening.clear()
            with self._lock:
                self._whole = True

    def _take(self, record: dict[str, Any]) -> None:
        found = record["s3"]["object"]
        key = found["key"]  # as it is: whom MinIO calls itself, it spares the escapes of its other events
        with self._lock:
            if ":ObjectRemoved:" in record["eventName"]:
                self._written.pop(key, None)
                self._removed.add(key)
            else:
                self._removed.discard(key)
                self._written[key] = int(found.get("size", 0))

    @contextmanager
    def taken(self) -> Iterator["tuple[dict[str, int], set[str]] | None"]:
        """What changed, None for anything; when the body fails, it is all put back for the next time."""
        with self._lock:
            written, removed, whole = self._written, self._removed, self._whole
            self._written, self._removed, self._whole = {}, set(), not self._listening.is_set()
        try:
            yield None if whole else (written, removed)
        except BaseException:
            with self._lock:
                self._written = {key: size for key, size in written.items() if key not in self._removed} | self._written
                self._removed = {key for key in removed if key not in self._written} | self._removed
                self._whole = self._whole or whole
            raise


class Objects:
    """Rounds from the bucket to the place, and the index of what the place has."""

    def __init__(self, config: Config, place: Place, changes: Changes, spool: Path = SPOOL):
        self._bucket = f"minio:{config.settings['s3']['bucket']}"
        self._place = place
        self._changes = changes
        self._index = spool / "objects.db"
        with self._opened() as index:
            index.execute("CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, size INTEGER)")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        index = sqlite3.connect(self._index)
        try:
            with index:
                yield index
        finally:
            index.close()

    def round(self, stamp: str, *, whole: bool = False) -> int | None:
        """Makes the place as the bucket is; how many objects changed, None where everything was compared.

        Raises TooLong when it is, but for the objects with those names.
        """
        with self._changes.taken() as changed:
            if (
                changed is None or whole or any("\n" in key for keys in changed for key in keys)
            ):  # no list could hold it
                self._whole_round(stamp)
                return None
            written, removed = changed
            self._remove(stamp, removed)
            too_long: TooLong | None = None
            try:
                self._place.copy(
                    self._bucket, f"place:{NOW}", f"--backup-dir=place:{BEFORE}/{stamp}", *_FAST[:1], paths=written
                )
            except TooLong as error:
                too_long = error
            with self._opened() as index:
                there = [(key, size) for key, size in written.items() if not too_long or key not in too_long.names]
                index.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?)", there)
            if too_long:
                raise too_long
            return len(written) + len(removed)

    def _remove(self, stamp: str, removed: set[str]) -> None:
        with self._opened() as index:
            known = [key for key in removed if index.execute("SELECT 1 FROM objects WHERE key = ?", [key]).fetchone()]
        self._place.move(f"place:{NOW}", f"place:{BEFORE}/{stamp}", known)
        with self._opened() as index:
            index.executemany("DELETE FROM objects WHERE key = ?", [[key] for key in removed])

    def _whole_round(self, stamp: str) -> None:
        try:
            self._place.sync(self._bucket, f"place:{NOW}", f"--backup-dir=place:{BEFORE}/{stamp}", *_FAST)
        finally:
            there = self._place.files(NOW)
            with self._opened() as index:
                index.execute("DELETE FROM objects")
                index.executemany("INSERT INTO objects VALUES (?, ?)", [[entry.path, entry.size] for entry in there])

    def totals(self) -> dict[str, int]:
        """Objects and bytes at the place."""
        with self._opened() as index:
            count, size = index.execute("SELECT count(*), coalesce(sum(size), 0) FROM objects").fetchone()
        return {"objects": count, "bytes": size}
