"""What all types share: the answer that a thing is not there, and names as the official plugin makes them up."""

import itertools
import threading
from datetime import UTC, datetime

_counter = itertools.count(1)
_counting = threading.Lock()


class Gone(Exception):
    """What was asked about is not on the server, or already as asked for."""


def unique(prefix: str) -> str:
    """The prefix, the time to a tenth of a millisecond, and a running number (terraform-plugin-sdk, helper/id)."""
    with _counting:
        now = datetime.now(UTC)
        return f"{prefix}{now:%Y%m%d%H%M%S}{now.microsecond // 100:04d}{next(_counter):08x}"
