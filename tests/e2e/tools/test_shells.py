"""Programs of the shell, by the profile that a login writes, and with the lines of docs/client.md."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from components.images import BASE
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform
from tests.e2e.tools.conftest import SECONDS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

Shell = Callable[[str], str]

AWS = """
aws() { command aws --profile mlflow "$@"; }
aws s3 cp --no-progress "$BIG" s3://$BUCKET/$AT/big
aws s3 ls s3://$BUCKET/$AT/
aws s3 cp --no-progress s3://$BUCKET/$AT/big back && cmp "$BIG" back
aws s3 cp --no-progress s3://$BUCKET/$AT/big s3://$BUCKET/$AT/copied
sleep $WAIT
aws s3 mv --no-progress s3://$BUCKET/$AT/copied s3://$BUCKET/$AT/moved
aws s3 sync --no-progress folder s3://$BUCKET/$AT/folder
aws s3 sync --no-progress s3://$BUCKET/$AT/folder synced && diff -r folder synced
aws s3 ls --recursive s3://$BUCKET/$AT/
aws s3 presign s3://$BUCKET/$AT/moved
"""
# One upload takes longer than the credentials that it begins with.
RCLONE = """
P=platform:$BUCKET/$AT
rclone copyto "$BIG" $P/big
rclone lsf $P
rclone copyto $P/big back && cmp "$BIG" back
rclone copyto $P/big $P/copied
rclone copyto --bwlimit 500k --s3-chunk-size 5M --s3-upload-cutoff 5M "$BIG" $P/slow
rclone moveto $P/copied $P/moved
rclone sync folder $P/folder
rclone sync $P/folder synced && diff -r folder synced
rclone lsf -R $P
rclone link $P/moved
"""
MC = """
P=platform/$BUCKET/$AT
mc cp --quiet "$BIG" $P/big
mc ls $P/
mc cp --quiet $P/big back && cmp "$BIG" back
mc cp --quiet $P/big $P/copied
mc mv --quiet $P/copied $P/moved
mc mirror --quiet folder $P/folder
mc mirror --quiet $P/folder synced && diff -r folder synced
mc ls --recursive $P/
mc share download --json $P/moved | python3 -c 'import json, sys; print(json.load(sys.stdin)["share"])'
"""
DVC = """
dvc init --no-scm --quiet
dvc remote add --default platform s3://$BUCKET/$AT
dvc remote modify platform profile mlflow
cp "$BIG" data && dvc add --quiet data folder && dvc push
rm -rf data folder .dvc/cache
sleep $WAIT
dvc pull && cmp "$BIG" data && cat folder/deeper/b
"""


def in_docs(begins: str) -> str:
    """The lines of a block of docs/client.md from here on."""
    _, found, after = (ROOT / "docs/client.md").read_text().partition(begins)
    assert found, f"docs/client.md has no {begins}"
    return begins + after.partition("```")[0]


@pytest.fixture
def variables(stack: Platform, big: Path, tmp_path: Path) -> dict[str, str]:
    """What the lines name; where they run, a folder lies with something in it."""
    (tmp_path / "folder/deeper").mkdir(parents=True)
    (tmp_path / "folder/a").write_text("a")
    (tmp_path / "folder/deeper/b").write_text("b")
    place = {"BUCKET": stack.outputs["artifact_bucket"], "AT": f"by-{tmp_path.name}"}
    return {**place, "BIG": str(big), "WAIT": str(SECONDS + 5)}


@pytest.fixture
def shell(stack: Platform, environment: dict[str, str], variables: dict[str, str], tmp_path: Path) -> Shell:
    """Runs lines in a folder of their own, with the docs' addresses made this stack's."""

    def run(lines: str) -> str:
        address = stack.outputs["s3_endpoint_url"].removeprefix("http://")
        lines = lines.replace("https://", "http://").replace("s3.example.com", address)
        own = {**environment, **variables, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            env=own,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def all_there(printed: str, big: Path) -> None:
    """The last lines: what was listed, and a link."""
    *listed, link = printed.strip().splitlines()
    for name in ("big", "moved", "folder/a", "folder/deeper/b"):
        assert any(line.endswith(name) for line in listed), printed
    assert not listed[-1].endswith("copied")
    answer = httpx.get(link, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.content == big.read_bytes()


def test_aws_1(shell: Shell, big: Path):
    all_there(shell(AWS), big)


@pytest.fixture
def debian(
    tools: Path,
    environment: dict[str, str],
    variables: dict[str, str],
    shell: Shell,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
) -> Shell:
    """Runs lines with the tools that Debian has, in a container. The profile's own program comes along from here."""
    image = "mlflow-platform/debian-tools:test"
    lines = "RUN apt-get update && apt-get install --yes --no-install-recommends awscli diffutils rclone\n"
    build = ["docker", "build", "--quiet", "--tag", image, "-"]
    subprocess.run(build, input=f"FROM {BASE['local']}\n{lines}", text=True, check=True, capture_output=True)
    python = subprocess.run(
        [tools / "python", "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    shared = [tmp_path_factory.getbasetemp(), python]
    own = {name: environment[name] for name in ("HOME", "XDG_STATE_HOME", "MLFLOW_TRACKING_URI")} | variables
    run = ["docker", "run", "--rm", "--network=host", f"--workdir={tmp_path}"]
    run += [f"--volume={folder}:{folder}" for folder in shared]
    run += [f"--env={name}={value}" for name, value in own.items()]
    return lambda lines: shell(shlex.join([*run, image, "bash", "-euo", "pipefail", "-c", lines]))


def test_debians_aws_2(debian: Shell, big: Path):
    """In no package index."""
    all_there(debian(AWS), big)


def test_rclone(shell: Shell, big: Path):
    all_there(shell(in_docs("export RCLONE_CONFIG_PLATFORM_TYPE") + RCLONE), big)


def test_debians_rclone(debian: Shell, big: Path):
    """1.60, the oldest that anybody gets."""
    all_there(debian(in_docs("export RCLONE_CONFIG_PLATFORM_TYPE") + RCLONE), big)


def test_mc(shell: Shell, big: Path):
    all_there(shell(in_docs("export MC_HOST_platform") + MC), big)


def test_dvc(shell: Shell):
    assert shell(DVC).splitlines()[-1].endswith("b")
