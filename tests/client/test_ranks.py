"""Several processes that begin at once are in the experiment that they set, and find the runs of their job."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow_platform.client.store import LoginFile

from components.images import BASE
from tests.client import double
from tests.client.double import Double
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("registered")]

RANKS = 4
_BY_FUNCTION = (
    "import mlflow; mlflow.set_experiment('x')\nwith mlflow.start_run() as run: pass\nprint(run.info.experiment_id)"
)
_BY_VARIABLE = "import mlflow\nwith mlflow.start_run() as run: pass\nprint(run.info.experiment_id)"


@pytest.fixture
def tracking(platform: Double, mlflow_server: str, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch) -> Double:
    """MLflow, where whoever makes an experiment is held up until all ranks are about to."""
    platform.mlflow, together = mlflow_server, Barrier(RANKS)
    forwarded = double._forwarded

    def held_up(method: str, url: str, headers: dict[str, str], body: bytes):
        if url.endswith("/experiments/create"):
            with suppress(BrokenBarrierError):  # somebody waited too long for the rest: there is no race then
                together.wait(90)
        return forwarded(method, url, headers, body)

    monkeypatch.setattr(double, "_forwarded", held_up)
    return platform


def at_once(*command: str, **variables: str) -> list[subprocess.Popen[str]]:
    """The ranks, with the variables that torchrun sets."""
    mine = {**os.environ, "PYTHONPATH": str(ROOT / "plugin"), "WORLD_SIZE": str(RANKS), **variables}
    return [
        subprocess.Popen([sys.executable, *command], env={**mine, "RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(RANKS)
    ]


def said(ranks: list[subprocess.Popen[str]]) -> list[str]:
    printed = [rank.communicate(timeout=300)[0] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * RANKS
    return [lines.splitlines()[-1] for lines in printed]


@pytest.mark.parametrize(
    ("program", "name", "variables"),
    [(_BY_FUNCTION, "x", {}), (_BY_VARIABLE, "y", {"MLFLOW_EXPERIMENT_NAME": "y"})],
)
def test_all_are_in_the_experiment_that_they_named(
    program: str, name: str, variables: dict[str, str], tracking: Double
):
    experiments = said(at_once("-c", program, **variables))
    made = MlflowClient(tracking.url).get_experiment_by_name(name)
    assert made
    assert experiments == [made.experiment_id] * RANKS


def test_joblibs_tasks_are_in_the_experiment_that_they_named(tracking: Double):
    task = 'mlflow.set_experiment("z")\n    with mlflow.start_run() as run: pass\n    return run.info.experiment_id'
    tasks = f"from joblib import Parallel, delayed\nimport mlflow\n\ndef task(rank):\n    {task}\n"
    program = f"{tasks}\nprint(*Parallel(n_jobs={RANKS})(delayed(task)(rank) for rank in range({RANKS})))"
    own = {**os.environ, "PYTHONPATH": str(ROOT / "plugin")}
    done = subprocess.run([sys.executable, "-c", program], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = MlflowClient(tracking.url).get_experiment_by_name("z")
    assert made
    assert done.stdout.splitlines()[-1].split() == [made.experiment_id] * RANKS


def test_who_makes_an_experiment_himself_is_told_that_it_exists(
    platform: Double, mlflow_server: str, logged_in: LoginFile
):
    platform.mlflow = mlflow_server
    client = MlflowClient(platform.url)
    client.create_experiment("mine")
    with pytest.raises(MlflowException, match="already exists"):
        client.create_experiment("mine")


def test_ranks_share_a_run_and_have_their_own_and_go_on_where_they_died(tracking: Double, home: Path):
    """By the example that the docs name; two of the ranks die half-way."""
    script = str(ROOT / "examples/ranks.py")
    dead = at_once(script, JOB="j", DIE_AT="1")
    assert [rank.wait(300) for rank in dead] == [9] * RANKS

    all_are_kept(tracking, "ranks", said(at_once(script, JOB="j")))


def all_are_kept(tracking: Double, experiment: str, printed: list[str]) -> None:
    """Of a job that has the experiment for itself, by its ranks' last lines: every step, and all below one run."""
    client = MlflowClient(tracking.url)
    pairs = {tuple(line.split()) for line in printed}
    (above,) = {shared for shared, _ in pairs}
    assert len(pairs) == RANKS
    seen = set()
    for _, run in pairs:
        kept = client.get_run(run)
        assert kept.data.tags["mlflow.parentRunId"] == above
        assert kept.info.status == "FINISHED"
        seen.add(rank := kept.data.tags["part"])
        assert [one.step for one in client.get_metric_history(run, "loss")] == [0, 1, 2, 3]
        assert {one.step for one in client.get_metric_history(above, f"loss of rank {rank}")} == {0, 1, 2, 3}
    assert seen == {str(rank) for rank in range(RANKS)}
    made = client.get_experiment_by_name(experiment)
    assert made
    assert len(client.search_runs([made.experiment_id])) == 1 + RANKS
    assert client.get_run(above).info.status == "FINISHED"


# With what starts the ranks elsewhere, where Debian has it.

_IMAGE = """
FROM {base}
RUN apt-get update && apt-get install --yes --no-install-recommends python3-torch python3-venv
RUN python3 -m venv --system-site-packages /venv && /venv/bin/pip install --quiet mlflow-skinny=={mlflow}
COPY plugin plugin
RUN /venv/bin/pip install --quiet ./plugin
"""


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with PyTorch, and with the client in an environment that sees it."""
    folder, image = tmp_path_factory.mktemp("torch"), "mlflow-platform/torch:test"
    shutil.copytree(ROOT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    (folder / "Dockerfile").write_text(_IMAGE.format(base=BASE["local"], mlflow=version("mlflow")))
    build = ["docker", "build", "--quiet", "--tag", image, folder]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return image


def test_torchruns_ranks_do_and_go_on_after_it_has_started_them_again(tracking: Double, home: Path, torch: str):
    """Each dies once; torchrun ends all others with it, and starts all anew."""
    # Debian's PyTorch lacks the store that torchrun's processes meet at elsewhere.
    meet = ["--rdzv-backend=c10d", "--rdzv-endpoint=/tmp/store", "--rdzv-conf=store_type=file"]
    options = [f"--nproc-per-node={RANKS}", f"--max-restarts={RANKS}", "--rdzv-id=t", *meet]
    rank = "JOB=$TORCHELASTIC_RUN_ID exec /venv/bin/python /examples/ranks.py"
    own = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "MLFLOW_TRACKING_URI")}
    own |= {
        "USE_LIBUV": "0",
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "EXPERIMENT": "t",
        "DIE_AT": "1",
        "USER": "dev",
    }
    run = ["docker", "run", "--rm", "--network=host", f"--user={os.getuid()}:{os.getgid()}"]
    run += [f"--volume={home}:{home}", f"--volume={ROOT}/examples:/examples:ro"]
    run += [f"--env={name}={value}" for name, value in own.items()]
    command = [*run, torch, "torchrun", *options, "--no-python", "sh", "-c", rank]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "exitcode: 9" in done.stderr
    all_are_kept(tracking, "t", re.findall(r"^[0-9a-f]{32} [0-9a-f]{32}$", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("its", "recipe"),
    [
        (
            {"TASK_ID": "{rank}", "TASK_COUNT": str(RANKS), "JOB_ID": "17"},
            "RANK=$SLURM_ARRAY_TASK_ID WORLD_SIZE=$SLURM_ARRAY_TASK_COUNT JOB=$SLURM_ARRAY_JOB_ID",
        ),
        (
            {"PROCID": "{rank}", "NTASKS": str(RANKS), "JOB_ID": "18"},
            "RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_NTASKS JOB=$SLURM_JOB_ID",
        ),
    ],
)
def test_with_the_variables_of_slurm_alone(its: dict[str, str], recipe: str, tracking: Double, home: Path):
    prefix = "SLURM_ARRAY" if "ARRAY" in recipe else "SLURM"
    program = f'{recipe} exec "$0" "$1"'
    mine = {**os.environ, "PYTHONPATH": str(ROOT / "plugin"), "EXPERIMENT": recipe}
    ranks = [
        subprocess.Popen(
            ["sh", "-c", program, sys.executable, str(ROOT / "examples/ranks.py")],
            env={**mine, **{f"{prefix}_{name}": value.format(rank=rank) for name, value in its.items()}},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]
    all_are_kept(tracking, recipe, said(ranks))
