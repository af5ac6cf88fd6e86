"""The receiver of PostgreSQL's log: Barman's, which goes on where it was; begun anew where that is not to be had."""

import subprocess
import time
from contextlib import suppress
from pathlib import Path

from platform_backup.config import RUN, SPOOL
from platform_backup.database import SEGMENT, SERVER, SLOT, Database, DatabaseError, barman, environment, position

_STATE = """
    SELECT pg_walfile_name(pg_current_wal_flush_lsn()) AS segment, pg_current_wal_flush_lsn() - '0/0' AS written,
        wal_status AS slot, restart_lsn - '0/0' AS kept
    FROM (SELECT 1) AS always LEFT JOIN pg_replication_slots ON slot_name = %s
"""
_LET_GO = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s AND active"
_DROP = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"


class Receiver:
    """What it has, and what PostgreSQL keeps for it in its replication slot, follow on each other.

    Where they do not, there is a gap in the log, or a fork: `gap` says so, over restarts too, until a base backup that
    was taken later makes it good.
    """

    def __init__(self, database: Database, spool: Path = SPOOL):
        self._database = database
        self._streaming = spool / SERVER / "streaming"
        self._mark = spool / SERVER / "gap"

    def run(self) -> int:
        """Until PostgreSQL ends, or has nothing more for it."""
        self._database.make_folders()
        if why := self._parted():
            self._begin_anew(why)
        arguments = ["barman", "-c", str(RUN / "barman.conf"), "receive-wal", SERVER]
        return subprocess.run(arguments, env=environment(), stdout=subprocess.DEVNULL, check=False).returncode

    @staticmethod
    def stop() -> None:
        """PostgreSQL keeps, as long as it can, what comes from now on."""
        with suppress(DatabaseError):  # it does not run
            barman(["receive-wal", "--stop", SERVER])

    def _parted(self) -> str | None:
        with self._database.connected() as connection:
            state = connection.execute(_STATE, [SLOT]).fetchone()
        newest = max((file.name for file in self._streaming.iterdir()), default=None)
        if not state or newest is None:
            return "nothing was received yet"
        if state["slot"] is None:
            return "PostgreSQL keeps nothing for the backup any more"
        if state["slot"] == "lost":
            return "PostgreSQL could keep no more for a backup that did not fetch it"
        begin = position(newest.partition(".")[0])
        if newest[:8] != state["segment"][:8] or begin > state["written"]:
            return "PostgreSQL was restored"
        if state["kept"] is not None and state["kept"] > begin + SEGMENT:
            return "what PostgreSQL keeps is not what was received last"
        return None

    def _begin_anew(self, why: str) -> None:
        self._mark.write_text(f"{time.time()} {why}")
        with self._database.connected() as connection:
            connection.execute(_LET_GO, [SLOT])
            connection.execute(_DROP, [SLOT])
        with suppress(DatabaseError):  # whole segments are of use for what was before
            barman(["archive-wal", SERVER])
        for file in self._streaming.iterdir():
            file.unlink()

    @property
    def gap(self) -> str | None:
        """When and why the log at the place was last not continued, where no base backup has made it good."""
        try:
            return self._mark.read_text()
        except FileNotFoundError:
            return None

    def mended(self, gap: str | None) -> None:
        """A base backup was begun when `gap` was the last."""
        if gap and gap == self.gap:
            self._mark.unlink()
