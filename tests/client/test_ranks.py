"""Several processes that begin at once are in the experiment that they set, and find the runs of their job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow_platform.client.store import LoginFile

from tests.client.double import Double
from tests.client.ranks import RANKS, all_are_kept
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.usefixtures("registered")]

_BY_FUNCTION = (
    "import mlflow; mlflow.set_experiment('x')\nwith mlflow.start_run() as run: pass\nprint(run.info.experiment_id)"
)
_BY_VARIABLE = "import mlflow\nwith mlflow.start_run() as run: pass\nprint(run.info.experiment_id)"


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
