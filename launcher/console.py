"""What the person at the terminal sees: steps with their durations, and failures as one sentence."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Failure(Exception):
    """Something that the user must know and can act on: the message is printed alone, without a traceback."""


_lock = threading.RLock()  # a signal may be told of in the middle of a line
_quiet = threading.Event()


def say(message: str) -> None:
    """Prints progress; to stderr, because stdout carries results (`outputs --json`, `env`)."""
    with _lock:
        print(message, file=sys.stderr, flush=True)


def tell(message: str) -> None:
    """Prints what was asked for, piece by piece, to stdout."""
    with _lock:
        print(message, flush=True)


def on_terminal() -> bool:
    """Whether somebody sees lines change, which takes a terminal on both sides."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def step(title: str) -> Iterator[None]:
    """A piece of work that takes a while: its start, its end and its duration are shown."""
    say(f"   {title} ...")
    started = time.monotonic()
    yield
    say(f" ✓ {title}: {duration(time.monotonic() - started)}")


def done(message: str) -> None:
    """Something that is as it should be, without work."""
    if not _quiet.is_set():
        say(f" ✓ {message}")


def only_work() -> None:
    """From now on only what takes time is shown, not what was found to be in order."""
    _quiet.set()


def agreed(question: str) -> bool:
    """What the person at the terminal answers."""
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def duration(seconds: float) -> str:
    """
    >>> duration(0.24), duration(42.4), duration(245)
    ('0.2 s', '42 s', '4 min 5 s')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows as aligned columns; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
