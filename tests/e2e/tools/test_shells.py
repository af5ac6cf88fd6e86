"""Other people's S3 tools act as the user by the profile that a login writes: s3fs, the aws CLI, and MinIO's mc."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform
from tests.e2e.mc import mc

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

_PACKAGES = ("s3fs==2026.9.0", "awscli==1.46.3")
_BY_S3FS = """
import sys, s3fs
files = s3fs.S3FileSystem(profile="mlflow")
with files.open(f"{sys.argv[1]}/by-s3fs", "wb") as file:
    file.write(b"written by s3fs")
print(files.cat(f"{sys.argv[1]}/by-s3fs").decode(), [name.rpartition("/")[2] for name in files.ls(sys.argv[1])])
"""


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def environment(platform: Platform, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a user who has logged in with a profile for S3 tools."""
    home = tmp_path_factory.mktemp("home")
    platform.log_in("dev", home, "--aws-profile", "mlflow", program=tools / "mlflow-platform")
    path = f"{tools}:{os.environ['PATH']}"
    return platform.environment(XDG_STATE_HOME=str(home), HOME=str(home), PATH=path)


def test_s3fs_reads_and_writes(platform: Platform, tools: Path, environment: dict[str, str]):
    bucket = platform.outputs["artifact_bucket"]
    printed = platform.run([str(tools / "python"), "-c", _BY_S3FS, bucket], environment)
    assert printed.startswith("written by s3fs")
    assert "by-s3fs" in printed.partition("[")[2]


def test_the_aws_cli_reads_and_writes(platform: Platform, tools: Path, environment: dict[str, str], tmp_path: Path):
    (tmp_path / "there").write_text("written by aws")
    place = f"s3://{platform.outputs['artifact_bucket']}/by-aws"
    aws = [str(tools / "aws"), "--profile", "mlflow", "s3", "cp", "--no-progress"]
    platform.run([*aws, str(tmp_path / "there"), place], environment)
    platform.run([*aws, place, str(tmp_path / "back")], environment)
    assert (tmp_path / "back").read_text() == "written by aws"
    link = platform.run([*aws[:3], "s3", "presign", place], environment).strip()
    assert httpx.get(link, trust_env=False).text == "written by aws"


def test_mc_reads_and_writes_as_the_docs_say(platform: Platform, tools: Path, environment: dict[str, str]):
    """With the lines of docs/client.md themselves, but for the address."""
    _, _, after = (ROOT / "docs/client.md").read_text().partition("export MC_HOST_platform")
    lines = f"export MC_HOST_platform{after.partition('```')[0]}"
    lines = lines.replace("https://", "http://").replace("s3.example.com", platform.outputs["s3_endpoint_url"][7:])
    place = f"platform/{platform.outputs['artifact_bucket']}"
    script = f"set -e\n{lines}\necho written by mc | mc pipe --quiet {place}/by-mc\nmc cat {place}/by-mc"
    printed = platform.run(["sh", "-c", script], environment)
    assert printed.splitlines()[-1] == "written by mc"
    assert "by-mc" in platform.run(["sh", "-c", f"{lines}\nmc ls {place}"], environment)
