"""The browser that the tests drive: Debian's Chromium."""

import shutil

from launcher import apt
from launcher.console import done
from launcher.paths import Paths

PROGRAM = "chromium"


def ensure(paths: Paths, *, install: bool) -> None:
    """Installs it with apt where there is none."""
    if found := shutil.which(PROGRAM):
        done(f"browser: {found}")
        return
    apt.install(paths, [PROGRAM], why="Chromium, which the tests drive, is not installed", allowed=install)
