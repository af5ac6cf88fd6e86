"""The checkout's .venv, with exactly what a lock file pins."""

import hashlib
import importlib.util
import sys

from launcher import apt
from launcher.console import done, step
from launcher.paths import Paths
from launcher.processes import run_logged


def create(paths: Paths, *, install: bool) -> None:
    """An empty environment, unless there is one."""
    if (paths.venv / "bin" / "pip").exists() and paths.site_packages.is_dir():
        return
    if importlib.util.find_spec("ensurepip") is None:  # Debian splits it off
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        apt.install(paths, [package], why="This Python cannot make virtual environments", allowed=install)
    with step("python -m venv .venv"):
        command = [sys.executable, "-m", "venv", "--clear", paths.venv]
        run_logged("python -m venv", command, paths.logs / "venv.log")


def fill(paths: Paths, lock_name: str) -> None:
    """Installs `requirements/<lock_name>.txt`; does nothing when that very lock was installed before."""
    lock = paths.root / "requirements" / f"{lock_name}.txt"
    stamp = paths.venv / f".installed-{lock_name}"
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    if paths.python.exists() and stamp.exists() and stamp.read_text() == wanted:
        done(f"Python packages ({lock.relative_to(paths.root)})")
        return
    with step(f"pip install -r {lock.relative_to(paths.root)}"):
        command = [paths.python, "-m", "pip", "install", "--disable-pip-version-check", "--requirement", lock]
        run_logged("pip install", command, paths.logs / f"pip-{lock_name}.log")
        stamp.write_text(wanted)


def add_client(paths: Paths) -> None:
    """Installs plugin/ as its users do, for MLflow finds it by its entry points; an edit of it counts at once."""
    project = paths.root / "plugin" / "pyproject.toml"
    stamp = paths.venv / ".installed-client"
    wanted = hashlib.sha256(project.read_bytes() + str(project).encode() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with step("pip install --editable plugin"):
        command = [paths.python, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
        run_logged(
            "pip install",
            [*command, "--no-build-isolation", "--editable", project.parent],
            paths.logs / "pip-client.log",
        )
        stamp.write_text(wanted)
