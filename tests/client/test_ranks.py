"""Several processes that begin at once are in the experiment that they set, and find the runs of their job."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow_platform.client.store import LoginFile

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

    printed = [line.split() for line in said(at_once(script, JOB="j"))]

    client = MlflowClient(tracking.url)
    (above,) = {shared for shared, _ in printed}
    own = [run for _, run in printed]
    assert len(set(own)) == RANKS
    for rank, run in enumerate(own):
        kept = client.get_run(run)
        assert kept.data.tags["mlflow.parentRunId"] == above
        assert kept.info.status == "FINISHED"
        for of, metric in ((run, "loss"), (above, f"loss of rank {rank}")):
            assert [one.step for one in client.get_metric_history(of, metric)] == [0, 1, 2, 3]
    experiment = client.get_experiment_by_name("ranks")
    assert experiment
    assert len(client.search_runs([experiment.experiment_id])) == 1 + RANKS
    assert client.get_run(above).info.status == "FINISHED"
