"""What the container does all the time: three threads, each of which goes on whatever befalls it."""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from platform_backup import manifest as manifests
from platform_backup import retention, verify
from platform_backup.bases import BaseBackups
from platform_backup.config import RUN, SPOOL, Config
from platform_backup.database import Base, Database, DatabaseError, system_folder
from platform_backup.manifest import Manifest
from platform_backup.objects import Changes, Objects
from platform_backup.place import Place, TooLong
from platform_backup.receiver import Receiver
from platform_backup.status import Status, say

_DAY = 86400.0
_AGAIN = 5.0  # seconds until what broke off is tried again
_SOON = 15.0  # and until a backup that failed is
_PLACE = SPOOL / "place.json"  # the last one that was opened
STACK = RUN / "stack.tar.gz"
"""Pulumi's state, its passphrase and the stack file, as the launcher brought them last."""

HOLD = SPOOL / "hold"
"""While it is there a restore is under way, and what the stack has is not yet what is to be kept."""

Tell = Callable[[str], None]


class Service:
    """Threads take turns at the place's manifests and bases; the log is shipped beside them."""

    def __init__(self, config: Config):
        self._config = config
        self._status = Status()
        self._status.set(limits={name: config.settings[name] for name in ("database_seconds", "artifacts_every")})
        self._place = Place(config)
        self._database = Database(config, self._place)
        self._bases = BaseBackups(self._database, self._place)
        self._receiver = Receiver(self._database)
        self._changes = Changes(config)
        self._objects = Objects(config, self._place, self._changes)
        self._turn = threading.Lock()  # one backup, or one verification, at a time
        self._shipping = threading.Lock()
        self._opening = threading.Lock()
        self._due = threading.Event()  # sooner than in the next round
        self._awaited: str | None = None  # the gap for which it was
        self._stack: tuple[str, str] | None = None  # name and SHA-256 of its state at the place
        self._folder: str | None = None
        self._base: Base | None = None

    def run(self) -> None:
        for work in (self._receive, self._ship, self._listen, self._rounds):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()

    def _receive(self) -> None:
        """The receiver ends whenever PostgreSQL does."""
        while True:
            self._status.attempt("receiving the log", self._receive_once)
            time.sleep(_AGAIN)

    def _receive_once(self) -> None:
        self._database.system()
        if (waiting := self._database.waiting()) > self._config.settings["log_limit"]:
            raise RuntimeError(
                f"{waiting:,} bytes of log wait for the place, and no more are fetched until it takes them"
            )
        began = time.monotonic()
        lasting = threading.Timer(_AGAIN, lambda: self._status.well("receiving the log"))
        lasting.start()
        try:
            code = self._receiver.run()
        finally:
            lasting.cancel()
        if time.monotonic() - began < _AGAIN:
            raise RuntimeError(f"Barman's receiver ended with {code}; the line above says why")

    def _listen(self) -> None:
        work = "listening to MinIO"
        while True:
            self._status.attempt(work, lambda: self._changes.listen(lambda: self._status.well(work)))
            time.sleep(_AGAIN)

    def _ship(self) -> None:
        while True:
            self._status.attempt("shipping the log", self._ship_once)
            if self._status.fails("shipping the log") and self._database.waiting() > self._config.settings["log_limit"]:
                self._receiver.stop()  # a place that is away for long is no reason to fill Docker's disk
            time.sleep(self._config.settings["database_seconds"])

    def _ship_once(self) -> None:
        _unless_held()  # a restore that is taken back would leave a timeline there that nothing continues
        with self._shipping:
            folder = self._opened()
            try:
                written, at = self._database.written(), time.time()
            finally:  # what was received goes on, even when the server is no more
                position = self._database.ship(folder)
        behind = max(0, written - position) if position else None
        facts: dict[str, float | None] = {"behind_bytes": behind}
        if behind is not None and behind < 8192:  # zeros at the end of a record are not seen
            facts["shipped_until"] = at
        self._status.set(**facts)
        if self._base and (gap := self._receiver.gap):
            if gap != self._awaited:
                self._awaited = gap
                self._due.set()
            why = gap.partition(" ")[2]
            raise DatabaseError(f"it does not continue what is at the place, until the next base backup: {why}")

    def _opened(self) -> str:
        """The folder of this database's system at a place that the key opens."""
        with self._opening:
            try:
                folder = system_folder(self._database.system())
            except DatabaseError:
                if self._folder is None:
                    raise
                return self._folder
            if folder != self._folder:
                self._open_place()
                self._base = retention.newest_base(self._place, folder)
                self._database.begin(folder)
                self._folder = folder
            return folder

    def _open_place(self) -> None:
        place = json.dumps(dict(self._config.place), sort_keys=True)
        known = self._config.place["kind"] != "volume" and _PLACE.exists() and _PLACE.read_text() == place
        self._place.open({"stack": self._config.settings["stack"], "since": time.time(), "format": 1}, known=known)
        _PLACE.write_text(place)

    def _rounds(self) -> None:
        every = self._config.settings["artifacts_every"]
        while True:
            due = time.monotonic() + every
            with suppress(Exception):  # which is in the status
                self.backup(say, whole=self._a_day_since("compared"))
            if self._a_day_since("cleaned") and not HOLD.exists():
                self._status.attempt("cleaning up", self._clean_up)
            if self._status.get("verified") is None or self._a_day_since("verified"):
                with suppress(Exception):
                    self.verify(say, deep=False)
            if self._status.fails("backup") or self._status.fails("cleaning up"):
                due = min(due, time.monotonic() + _SOON)
            time.sleep(_AGAIN)
            self._due.wait(max(0.0, due - time.monotonic()))
            self._due.clear()

    def _a_day_since(self, fact: str) -> bool:
        return time.time() - (self._status.get(fact) or 0) > _DAY

    def backup(self, tell: Tell, *, whole: bool = False, base: bool = False) -> Manifest:
        """Records first, then objects: whatever the records name is among them."""
        with self._turn, self._status.doing("backup"):
            _unless_held()
            folder = self._opened()
            stack, stack_sha256 = self._send_stack()
            gap = self._receiver.gap
            if base or gap or self._base is None or time.time() - self._base.at > _DAY:
                tell("base backup of PostgreSQL ...")
                with self._shipping:
                    self._base = self._bases.take(folder, after_gap=bool(gap))
                self._receiver.mended(gap)
                tell(f"base backup {self._base.id}: {self._base.bytes:,} bytes")
            counted = manifests.counts(self._database.connected)
            id = manifests.stamp(time.time())
            point = self._database.restore_point(id)
            self._until_shipped(folder, point["lsn"])
            too_long: TooLong | None = None
            try:
                round = self._objects.round(id, whole=whole)
            except TooLong as error:
                round, too_long = None, error
            totals = self._objects.totals()
            if round and round.compared:
                self._status.set(compared=time.time())
            if round and (round.changed or round.compared):
                how = "all compared, " if round.compared else ""
                tell(f"artifacts: {how}{round.changed:,} changed, {totals['objects']:,} there")
            made = Manifest(
                id=id,
                time=point["time"],
                lsn=point["lsn"],
                system=folder.rpartition("/")[2],
                base=self._base.id,
                base_sha256=self._base.sha256,
                stack=stack,
                stack_sha256=stack_sha256,
                versions=self._config.settings["versions"],
                counts={**counted, **totals},
            )
            manifests.write(self._place, made)
            self._status.set(last={"id": id, "time": made.time, "counts": made.counts}, base=self._base.at)
            if too_long:
                raise too_long
            return made

    def _until_shipped(self, folder: str, lsn: str) -> None:
        high, low = lsn.split("/")
        target = int(high, 16) << 32 | int(low, 16)
        deadline = time.monotonic() + 60
        while True:
            with self._shipping:
                position = self._database.ship(folder)
            if position is not None and position >= target:
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the log up to this moment did not arrive within 60 s")
            time.sleep(0.5)

    def _send_stack(self) -> tuple[str, str]:
        """What the launcher brought since, else what the last backup had."""
        if self._stack is None:
            ids = manifests.every(self._place)
            last = manifests.read(self._place, ids[-1]) if ids else None
            self._stack = (last.stack, last.stack_sha256) if last else ("", "")
        if STACK.exists():
            content = STACK.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if digest != self._stack[1]:
                name = f"{manifests.stamp(time.time())}-{digest[:16]}"
                self._place.write(f"stack/{name}.tar.gz", content)
                self._stack = name, digest
            STACK.unlink()
        self._status.set(stack=self._stack[0])
        return self._stack

    def _clean_up(self) -> None:
        with self._turn:
            retention.apply(self._place, self._opened(), self._config.settings["keep"], time.time())
        self._status.set(cleaned=time.time())

    def verify(self, tell: Tell, *, deep: bool) -> None:
        """What only reading every byte finds stands in the status until every byte is read again."""
        with self._turn, self._status.doing("deep verification" if deep else "verification"):
            problems = list(verify.problems(self._place, self._opened(), tell, deep=deep))
            now = time.time()
            self._status.set(verified=now, verified_deep=now if deep else self._status.get("verified_deep"))
            if problems:
                raise RuntimeError("; ".join(problems))


def _unless_held() -> None:
    if HOLD.exists():
        raise RuntimeError("a restore of this stack is unfinished")
