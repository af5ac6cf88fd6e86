"""The browser that the tests drive: Debian's Chromium, and what tells it whom to trust."""

import shutil

from launcher import apt
from launcher.console import done
from launcher.paths import Paths

PROGRAM = "chromium"
_PACKAGES = {PROGRAM: PROGRAM, "certutil": "libnss3-tools"}


def ensure(paths: Paths, *, install: bool) -> None:
    """Installs with apt what is missing of it."""
    if missing := [package for program, package in _PACKAGES.items() if not shutil.which(program)]:
        apt.install(paths, missing, why="the tests drive Chromium, and it is not installed whole", allowed=install)
    else:
        done(f"browser: {shutil.which(PROGRAM)}")
