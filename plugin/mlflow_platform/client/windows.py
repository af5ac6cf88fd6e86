"""What the client needs of Windows: the counterpart of `posix`."""

import errno
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

_ATTEMPTS = 50  # a fiftieth of a second apart

T = TypeVar("T")


def opened(path: Path) -> int:
    """A descriptor to read a file by; no link is followed."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link")
    return _patiently(lambda: os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0)))


def openness(path: Path, found: os.stat_result) -> str | None:
    """Who else could have written or read what is there; None where it is the user's alone.

    Modes say nothing there. A profile is closed to other users, and what is made in it inherits that.
    """
    return None if path.is_relative_to(Path.home()) else f"is outside of {Path.home()}, which alone is closed to others"


def replace(new: Path, old: Path) -> None:
    """Puts a file in the place of another, once nobody reads that: Windows replaces no file that is open."""
    _patiently(lambda: new.replace(old))


def joined(command: Sequence[str]) -> str:
    """A command as AWS's tools take it on this system."""
    return subprocess.list2cmdline(command)


def split(command: str) -> list[str]:
    """The reverse; raises ValueError where that is none."""
    from botocore.compat import compat_shell_split  # takes its time to import

    return compat_shell_split(command, "win32")


def after_fork(reset: Callable[[], None]) -> None:
    """There are no forks."""


def _patiently(attempt: Callable[[], T]) -> T:
    """What it returns, tried again while another process has the file open."""
    for _ in range(_ATTEMPTS):
        try:
            return attempt()
        except PermissionError:
            time.sleep(1 / _ATTEMPTS)
    return attempt()
