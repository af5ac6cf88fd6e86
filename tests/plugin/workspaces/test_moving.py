"""Experiments of before there were workspaces are carried over, with the database's address on no command line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow_platform.server.within.workspaces import make
from sqlalchemy import create_engine

from tests.plugin.conftest import ROOT
from tests.plugin.no_network import SETTINGS
from tests.plugin.workspaces.test_making import experiments

PROGRAM = """
import sys
from pathlib import Path
from mlflow_platform.server.db import main
main(sys.argv[2:], Path(sys.argv[1]))
"""


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def run(home: Path, database: str, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    told = SETTINGS.model_copy(update={"workspaces": ("vision", "default")})
    (home / "server.json").write_text(json.dumps(told.model_dump(mode="json")))
    (home / "secrets").write_text(f"MLFLOW_BACKEND_STORE_URI={database}\n")
    environment = {"PYTHONPATH": f"{ROOT}/plugin", "MLFLOW_PLATFORM_CONFIG": str(home / "server.json"), "PATH": "/bin"}
    command = [sys.executable, "-c", PROGRAM, str(home / "secrets"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_an_experiment_is_carried_over_and_logs_in_its_new_folder_from_then_on(tmp_path: Path, database: str):
    for name in ("theirs", "others"):
        SqlAlchemyStore(database, "s3://mlflow").create_experiment(name)
    engine = create_engine(database)
    make(engine, "mlflow", ("vision", "default"))
    moved = ["--from", "default", "--to", "vision", "--resource-type", "experiments", "--name", "theirs", "--yes"]
    retarget = ["--artifact-policy", "retarget", "--default-artifact-root", "s3://mlflow"]
    done = run(tmp_path, database, "move-resources", *moved, *retarget)
    assert done.returncode == 0, done.stderr
    assert {("vision", "theirs", "workspaces/vision/1"), ("default", "others", "2")} < experiments(engine)
    assert database not in done.stdout + done.stderr


def test_what_mlflow_says_of_a_wrong_command_reaches_the_caller(tmp_path: Path, database: str):
    assert "move-resources" in run(tmp_path, database).stdout
    assert run(tmp_path, database, "move-everything").returncode == 2
