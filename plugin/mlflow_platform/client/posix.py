"""What the client needs of Linux and macOS. `windows` has the same functions; nothing here runs at import."""

import os
import shlex
import stat
from collections.abc import Callable, Sequence
from pathlib import Path


def opened(path: Path) -> int:
    """A descriptor to read a file by; neither a link is followed nor a pipe waited for."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)


def openness(path: Path, found: os.stat_result) -> str | None:
    """Who else could have written or read what is there; None where it is the user's alone."""
    if found.st_uid != os.geteuid():
        return "belongs to another user"
    return f"is open to others (chmod go= {path})" if stat.S_IMODE(found.st_mode) & 0o077 else None


def replace(new: Path, old: Path) -> None:
    """Puts a file in the place of another, which may be in use: a reader sees one or the other."""
    new.replace(old)


def joined(command: Sequence[str]) -> str:
    """A command as AWS's tools take it on this system."""
    return shlex.join(command)


def split(command: str) -> list[str]:
    """The reverse; raises ValueError where that is none."""
    return shlex.split(command)


def after_fork(reset: Callable[[], None]) -> None:
    """Has it called in each child: a fork must not wait for a lock that a thread of its parent held."""
    os.register_at_fork(after_in_child=reset)
