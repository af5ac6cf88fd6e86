"""The example of the docs by what starts ranks elsewhere: torchrun and SLURM, as Debian has them."""

import os
import re
import shutil
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from components.images import BASE
from tests.client.double import Double
from tests.client.ranks import RANKS, all_are_kept
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.usefixtures("registered")]

_IMAGE = """
FROM {base}
RUN apt-get update && apt-get install --yes --no-install-recommends munge python3-torch python3-venv slurm-wlm
RUN python3 -m venv --system-site-packages /venv && /venv/bin/pip install --quiet mlflow-skinny=={mlflow}
COPY plugin plugin
RUN /venv/bin/pip install --quiet ./plugin
"""
_RANKS = "/venv/bin/python /examples/ranks.py"
# Twice, the second time by SLURM itself: what a node's death, too, makes of a job.
_ARRAY = f"""
id=$(sbatch --parsable --array=0-{RANKS - 1} --output=/tmp/said.%a --open-mode=append --wait /tmp/array || true)
cat /tmp/said.* >&2
scontrol requeue $id
scontrol update JobId=$id StartTime=now  # not in two minutes
until [ -z "$(squeue --noheader)" ]; do sleep 0.5; done
cat /tmp/said.*
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """With the client in an environment that sees PyTorch."""
    folder, name = tmp_path_factory.mktemp("ranks"), "mlflow-platform/ranks:test"
    shutil.copytree(ROOT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    (folder / "Dockerfile").write_text(_IMAGE.format(base=BASE["local"], mlflow=version("mlflow")))
    build = ["docker", "build", "--quiet", "--tag", name, folder]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return name


def run(image: str, home: Path, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A script of the shell, in a container, as the user who has logged in here."""
    own = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "MLFLOW_TRACKING_URI")} | variables
    command = ["docker", "run", "--rm", "--network=host", f"--volume={home}:{home}"]
    command += [f"--volume={ROOT}/{folder}:/{folder}:ro" for folder in ("examples", "tests/client")]
    command += [f"--env={name}={value}" for name, value in own.items()]
    mine = f"trap 'chown -R {os.getuid()}:{os.getgid()} {home}' EXIT\n"  # what root has written there
    done = subprocess.run(
        [*command, image, "timeout", "600", "bash", "-euc", mine + script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done


def runs(printed: str) -> list[str]:
    """The lines of ranks that came to their ends."""
    return re.findall(r"^[0-9a-f]{32} [0-9a-f]{32}$", printed, re.MULTILINE)


def test_torchrun_starts_all_again_where_one_has_died(tracking: Double, home: Path, image: str):
    # Debian's PyTorch lacks the store that torchrun's processes meet at elsewhere.
    meet = "--rdzv-backend=c10d --rdzv-endpoint=/tmp/store --rdzv-conf=store_type=file"
    rank = f"JOB=$TORCHELASTIC_RUN_ID exec {_RANKS}"
    torchrun = f"torchrun --nproc-per-node={RANKS} --max-restarts={RANKS} --rdzv-id=t {meet}"
    elsewhere = {"USE_LIBUV": "0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    done = run(image, home, f"{torchrun} --no-python sh -c '{rank}'", EXPERIMENT="torchrun", DIE_AT="1", **elsewhere)
    assert "exitcode: 9" in done.stderr
    all_are_kept(tracking, "torchrun", runs(done.stdout))


def slurm() -> str:
    """Starts it, at ports that are free here."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return f"bash /tests/client/slurm.sh {one.getsockname()[1]} {other.getsockname()[1]}\n"


def test_srun_starts_ranks(tracking: Double, home: Path, image: str):
    rank = f"RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS JOB=$SLURM_JOB_ID exec {_RANKS}"
    done = run(image, home, f"{slurm()} srun --ntasks={RANKS} sh -c '{rank}'", EXPERIMENT="srun")
    all_are_kept(tracking, "srun", runs(done.stdout))


def test_an_array_of_slurm_goes_on_after_a_requeue(tracking: Double, home: Path, image: str):
    its = "RANK=$SLURM_ARRAY_TASK_ID WORLD_SIZE=$SLURM_ARRAY_TASK_COUNT JOB=$SLURM_ARRAY_JOB_ID"
    write = f"printf '%s\\n' '#!/bin/sh' '{its} exec {_RANKS}' > /tmp/array\n"
    done = run(image, home, slurm() + write + _ARRAY, EXPERIMENT="array", DIE_AT="1")
    assert runs(done.stderr) == [], "all have died"
    all_are_kept(tracking, "array", runs(done.stdout))
