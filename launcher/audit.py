"""`./platform audit`: who logged in, who read or changed what, and who was refused, in one order."""

import argparse
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from launcher import prepare
from launcher.console import only_work, table
from launcher.copies import moment
from launcher.paths import Paths
from launcher.realm import Realm
from launcher.trails import Event, events

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="what this one did")
    parser.add_argument(
        "--since", type=since, default="1d", metavar="TIME", help="30m, 12h, 7d, or 2026-05-01 14:03:20 (UTC); else 1d"
    )
    parser.add_argument("--room", metavar="NAME", help="what was done in this workspace, as far as a trail says where")


def since(text: str) -> datetime:
    """A moment, or how long ago one was.

    >>> since("1970-01-01 00:01:00").isoformat()
    '1970-01-01T00:01:00+00:00'
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return datetime.fromtimestamp(moment(text), UTC)


def show(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    state = prepare.stack(paths, prepare.Request.of(options), images_too=False).state(secrets=True)
    found = [event for event in events(state, Realm(state), options.since) if _wanted(event, options)]
    print(table([("TIME (UTC)", "TRAIL", "WHO", "FROM", "WHAT", "OUTCOME", "WORKSPACE"), *_rows(found)]))
    return 0


def _wanted(event: Event, options: argparse.Namespace) -> bool:
    in_room = options.room is None or event.room == options.room or f"/workspaces/{options.room}/" in event.what
    return in_room and options.user in (None, event.user)


def _rows(found: list[Event]) -> Iterator[tuple[str, ...]]:
    for event in found:
        rest = (event.trail, event.user, event.address, event.what, event.outcome, event.room)
        yield f"{event.at:%Y-%m-%d %H:%M:%S}", *(_printable(text) or "-" for text in rest)


def _printable(text: str) -> str:
    """A name or path is somebody else's words: none of them moves the cursor of whoever reads it here."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
