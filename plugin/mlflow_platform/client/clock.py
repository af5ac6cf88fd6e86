"""What time it is for the platform's servers. This machine's clock may be wrong, and a login is shared by machines.

Ends are kept by the servers' time; each process knows its own distance from that by what it was answered last.
"""

import time
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

_ahead = 0.0  # seconds from this machine's time to the servers'; none are known before the first answer


def now() -> float:
    """Seconds since 1970 by the servers' time."""
    return time.time() + _ahead


def ahead() -> float:
    """Seconds by which the servers' time is ahead of this machine's."""
    return _ahead


def here(moment: datetime) -> datetime:
    """A moment of the servers' time by this machine's, for what compares it with that."""
    return moment - timedelta(seconds=_ahead)


def heard(date: str | None) -> None:
    """Takes the header `Date` of an answer that came just now."""
    global _ahead
    if (found := distance(date)) is not None:
        _ahead = found


def distance(date: str | None) -> float | None:
    """Seconds from this machine's time to that of an answer which came just now; None where its `Date` says none."""
    try:
        return parsedate_to_datetime(date or "").timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return None
