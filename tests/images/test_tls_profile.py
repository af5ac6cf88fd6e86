"""What sslyze finds at the gateway: Mozilla's intermediate profile and nothing of the known weaknesses."""

import hashlib
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher.paths import Paths
from tests.images.https import gateway
from tests.unit.graph import ROOT

SITES = [f"{site}.ml.example.org" for site in ("mlflow", "login", "s3", "console")]
LOCK = ROOT / "requirements" / "sslyze.txt"


@pytest.fixture(scope="module")
def sslyze() -> list[str]:
    """In packages of its own, since it takes older ones than the tests; kept in the user's cache."""
    of = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = Paths.of_this_checkout().cache / f"sslyze-{of}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", LOCK], check=True)
        (folder / "complete").touch()
    return [str(python), "-m", "sslyze"]


@pytest.mark.slow
def test_sslyze_finds_mozillas_intermediate_profile(
    local_image: Callable[[str], str], sslyze: list[str], tmp_path: Path
):
    with gateway(local_image("nginx"), "Pulumi.prod.yaml", SITES) as running:
        (authority := tmp_path / "authority.pem").write_text(running.authority.pem)
        targets = [f"{site}:{running.ports[8443]}{{127.0.0.1}}" for site in SITES]
        options = ["--mozilla_config=intermediate", f"--certinfo_ca_file={authority}"]
        found = subprocess.run([*sslyze, *options, *targets], capture_output=True, text=True, check=False, timeout=300)
    verdict = found.stdout[found.stdout.index("COMPLIANCE") :]
    assert found.returncode == 0, verdict
    assert verdict.count("OK - Compliant") == len(SITES), verdict
