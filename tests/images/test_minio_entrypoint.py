"""What the MinIO entrypoint makes of a container's command; a stand-in named minio tells."""

import os
import subprocess
from pathlib import Path

import pytest

ENTRYPOINT = Path(__file__).parents[2] / "images/minio/docker-entrypoint.sh"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["server", "/data", "--console-address", ":9001"], ["server", "/data", "--console-address", ":9001"]),
        (["minio", "server", "/data{1...4}"], ["server", "/data{1...4}"]),
        (["minio"], []),
        ([], []),
    ],
)
def test_the_server_runs_with_or_without_its_name(tmp_path: Path, command: list[str], arguments: list[str]):
    minio = tmp_path / "minio"
    minio.write_text('#!/bin/sh\nfor argument; do echo "$argument"; done\n')
    minio.chmod(0o755)

    path = f"{tmp_path}:{os.environ['PATH']}"
    ran = subprocess.run([ENTRYPOINT, *command], env={"PATH": path}, capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == arguments
