"""A stack whose program is a copy with a list of versions of its own, of which a test changes a line."""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.e2e.checkouts import ROOT
from tests.e2e.stack import Stack

POSTGRES_16 = Path(__file__).with_name("postgres-16")
_FIRST_STACK = "dc18a9b"  # the commit with the first whole stack
_BREAKS = """
    import socket

    from mlflow.cli import cli
    from sqlalchemy import create_engine

    try:
        socket.gethostbyname("minio")
    except OSError:
        pass
    else:
        with create_engine(auth_uri).begin() as connection:
            connection.exec_driver_sql("create table if not exists of_a_broken_version ()")
        sys.exit("mlflow-platform: broken on purpose")
"""


class Versions:
    """The copy's PINS; what they begin with is what the program names."""

    def __init__(self, stack: Stack) -> None:
        self._program = stack.program
        for part in ("components", "images"):
            (self._program / part).unlink()
            shutil.copytree(ROOT / part, self._program / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(POSTGRES_16, self._program / "images/postgres-16")
        shutil.copy2(ROOT / "images/postgres/docker-entrypoint.sh", self._program / "images/postgres-16")
        self._list = self._program / "components/images.py"
        self._shipped = self._list.read_text()

    def take(self, **pins: tuple[str, str]) -> None:
        """The folder and the tag of each of these; all others are those of the program."""
        text = self._shipped
        for name, (folder, tag) in pins.items():
            text, found = re.subn(f'(?m)^    "{name}": Pin.*$', f'    "{name}": Pin(None, "{folder}", "{tag}"),', text)
            assert found == 1
        self._list.write_text(text)

    def first_minio(self) -> tuple[str, str]:
        """The one of the first whole stack, from this checkout's history."""
        command = ["git", "-C", ROOT, "archive", f"{_FIRST_STACK}:images/minio"]
        archive = subprocess.run(command, capture_output=True, check=False)
        if archive.returncode:
            pytest.skip("this checkout has no history")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(self._program / "images/first-minio", filter="data")
        return "images/first-minio", "RELEASE.2025-04-22T22-12-26Z"

    def broken_mlflow(self) -> tuple[str, str]:
        """One that breaks where it reaches MinIO, as it does not when it is tried: after the switch."""
        folder = self._plugin("broken")
        entry = folder / "mlflow_platform/server/__main__.py"
        entry.write_text(entry.read_text().replace("    from mlflow.cli import cli\n", _BREAKS))
        return folder.name, "3.99.0"

    def _plugin(self, name: str) -> Path:
        folder = self._program / f"plugin-{name}"
        shutil.copytree(ROOT / "plugin", folder, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    def mlflow(self, version: str) -> tuple[str, str]:
        """The plugin on another MLflow, all other packages the same."""
        folder = self._plugin(version)
        lock = folder / "requirements-server.txt"
        lines = [line.rstrip(" \\") for line in lock.read_text().splitlines() if re.match(r"[\w.-]+==", line)]
        lock.write_text("".join(re.sub(r"^(mlflow[\w-]*==).*", rf"\g<1>{version}", line) + "\n" for line in lines))
        dockerfile = folder / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text().replace("--require-hashes ", ""))
        return folder.name, version
