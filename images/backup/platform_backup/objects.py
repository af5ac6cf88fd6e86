"""The artifacts' side: MinIO says what changes, and each round copies that alone.

At the place, `artifacts/now/` is the bucket as of the last round, and `artifacts/before/<round>/` what that round
overwrote or deleted. What is on its way lies in `artifacts/coming/`, so that half of a file never has an object's name.
An index in the spool has what the place has, by S3's entity tags; when the stream of events breaks off, one round
compares everything with it. Times are not compared: S3 says the same one in two precisions.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio

from platform_backup.config import SPOOL, Config
from platform_backup.place import NothingThere, Place, TooLong

NOW = "artifacts/now"
BEFORE = "artifacts/before"
_COMING = "artifacts/coming"
_EVENTS = ("s3:ObjectCreated:*", "s3:ObjectRemoved:*")
_QUIET = 90.0  # seconds without even MinIO's sign of life, after which the stream counts as broken

_FORGET_LOST = """
    DELETE FROM copies
    WHERE NOT EXISTS (SELECT 1 FROM there WHERE there.key = copies.key AND there.size = copies.size)
"""
_NEW = """
    SELECT source.* FROM source LEFT JOIN copies USING (key)
    WHERE copies.size IS NOT source.size OR copies.etag IS NOT source.etag
"""
_GONE = "SELECT key FROM there WHERE NOT EXISTS (SELECT 1 FROM source WHERE source.key = there.key)"


@dataclass(frozen=True)
class Content:
    """Of an object: bytes, and the entity tag by which S3 tells contents apart."""

    size: int
    etag: str


@dataclass(frozen=True)
class Round:
    """How many objects a round changed at the place, and whether it compared all of them."""

    changed: int
    compared: bool


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
        self._written: dict[str, Content] = {}
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
        if key.endswith("/"):  # a folder that somebody drew, which holds nothing
            return
        with self._lock:
            if ":ObjectRemoved:" in record["eventName"]:
                self._written.pop(key, None)
                self._removed.add(key)
            else:
                self._removed.discard(key)
                self._written[key] = Content(int(found.get("size", 0)), found.get("eTag", ""))

    def again(self, written: Mapping[str, Content]) -> None:
        """These were not copied, and are still to be."""
        with self._lock:
            self._written = {key: it for key, it in written.items() if key not in self._removed} | self._written

    def everything(self) -> Iterator[tuple[str, int, str]]:
        """Key, size and entity tag of all that the bucket has."""
        for found in self._client.list_objects(self._bucket, recursive=True):
            if not found.is_dir:
                yield found.object_name or "", found.size or 0, found.etag or ""

    @contextmanager
    def taken(self) -> Iterator["tuple[dict[str, Content], set[str]] | None"]:
        """What changed, None for anything; when the body fails, it is all put back for the next time."""
        with self._lock:
            written, removed, whole = self._written, self._removed, self._whole
            self._written, self._removed, self._whole = {}, set(), not self._listening.is_set()
        try:
            yield None if whole else (written, removed)
        except BaseException:
            self.again(written)
            with self._lock:
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
        self._half_way = True  # a round that broke off may have left something
        with self._opened() as index:
            index.execute("CREATE TABLE IF NOT EXISTS copies (key TEXT PRIMARY KEY, size INTEGER, etag TEXT)")

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        index = sqlite3.connect(self._index)
        try:
            with index:
                yield index
        finally:
            index.close()

    def round(self, stamp: str, *, whole: bool = False) -> Round:
        """Makes the place as the bucket is. Raises TooLong when it is, but for the objects with those names."""
        with self._changes.taken() as changed:
            compared = whole or changed is None
            written, removed = self._different() if whole or changed is None else self._known(*changed)
            self._remove(stamp, removed)
            too_long = self._bring(stamp, written)
            left = {key: it for key, it in written.items() if too_long and key in too_long.names}
            with self._opened() as index:
                there = [(key, it.size, it.etag) for key, it in written.items() if key not in left]
                index.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?, ?)", there)
        if too_long:
            self._changes.again(left)
            raise too_long
        return Round(len(written) + len(removed), compared)

    def _known(self, written: dict[str, Content], removed: set[str]) -> tuple[dict[str, Content], set[str]]:
        """Without what came and went between two rounds."""
        with self._opened() as index:
            asked = "SELECT 1 FROM copies WHERE key = ?"
            return written, {key for key in removed if index.execute(asked, [key]).fetchone()}

    def _different(self) -> tuple[dict[str, Content], set[str]]:
        """What the place has not, or of other contents; what only the place has. In tables: there may be millions."""
        with self._opened() as index:
            index.execute("BEGIN")  # or half of it would stay
            index.execute("CREATE TABLE source (key TEXT PRIMARY KEY, size INTEGER, etag TEXT)")
            index.execute("CREATE TABLE there (key TEXT PRIMARY KEY, size INTEGER)")
            index.executemany("INSERT INTO source VALUES (?, ?, ?)", self._changes.everything())
            there = self._place.files(NOW)
            index.executemany("INSERT INTO there VALUES (?, ?)", ((file.path, file.size) for file in there))
            index.execute(_FORGET_LOST)
            written = index.execute(_NEW).fetchall()
            removed = index.execute(_GONE).fetchall()
            index.execute("DROP TABLE source")
            index.execute("DROP TABLE there")
        return {key: Content(size, etag) for key, size, etag in written}, {key for (key,) in removed}

    def _remove(self, stamp: str, removed: set[str]) -> None:
        self._place.move(f"place:{NOW}", f"place:{BEFORE}/{stamp}", paths=removed)
        with self._opened() as index:
            index.executemany("DELETE FROM copies WHERE key = ?", [[key] for key in removed])

    def _bring(self, stamp: str, written: Mapping[str, Content]) -> TooLong | None:
        """Copies, and then renames: the names that are too long for the place, where some are."""
        if self._half_way:
            with suppress(NothingThere):
                self._place.purge(_COMING)
            self._half_way = False
        if not written:
            return None
        self._half_way, too_long = True, None
        try:
            self._place.copy(self._bucket, f"place:{_COMING}", "--ignore-times", "--use-server-modtime", paths=written)
        except TooLong as error:
            too_long = error
        with suppress(NothingThere):  # they are gone again
            options = ("--ignore-times", "--delete-empty-src-dirs", f"--backup-dir=place:{BEFORE}/{stamp}")
            self._place.move(f"place:{_COMING}", f"place:{NOW}", *options)
        self._half_way = False
        return too_long

    def totals(self) -> dict[str, int]:
        """Objects and bytes at the place."""
        with self._opened() as index:
            count, size = index.execute("SELECT count(*), coalesce(sum(size), 0) FROM copies").fetchone()
        return {"objects": count, "bytes": size}
