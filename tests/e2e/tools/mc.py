"""MinIO's own client, as people and operators have it."""

import os
import subprocess
from pathlib import Path

from launcher.paths import Paths
from launcher.toolchain import go

_MC = "github.com/minio/mc@v0.0.0-20250313080218-cf909e1063a9"


def mc(folder: Path) -> Path:
    """Builds it into the folder."""
    build = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    done = subprocess.run(
        [go(Paths.of_this_checkout()), "install", _MC], env=build, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return folder / "mc"
