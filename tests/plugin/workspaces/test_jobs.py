"""A job of a room reads as somebody of that room, or in the room's folder of its experiment."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.plugin.workspaces.building import Building

_WHO = """
from mlflow_platform.server.settings import load_settings
from mlflow_platform.server.within.one_job import reader

who = reader(load_settings())
print(repr((who.username, sorted(who.reads))))
"""


def who_reads(building: Building, room: str, creator: str | None, started_in: str) -> str:
    """Whom the process of a job of the room takes for its reader; empty where it does not find the job."""
    id, environment = os.urandom(16).hex(), building.environment
    row = (id, "run_online_trace_scorer", '{"experiment_id": "7"}', room, creator, 2, 0, 0, 0)
    columns = "id, job_name, params, workspace, creator, status, retry_count, creation_time, last_update_time"
    with sqlite3.connect(Path(environment["TEST_HOME"], "mlflow.db"), timeout=30) as database:
        database.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    own = {**environment, "MLFLOW_WORKSPACE": started_in, "_MLFLOW_SERVER_JOB_ID": id}
    done = subprocess.run([sys.executable, "-c", _WHO], env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "not found" in done.stderr, done.stderr
    return done.stdout.strip()


def test_a_job_that_nobody_started_reads_in_its_rooms_folder(building: Building):
    assert who_reads(building, "nlp", None, "nlp") == repr(("", ["7/", "workspaces/nlp/7/"]))
    assert who_reads(building, "nlp", None, "vision") == ""


@pytest.mark.parametrize(("creator", "reads"), [("nlp", [""]), ("nobody", [])])
def test_any_other_reads_as_its_creator(creator: str, reads: list[str], building: Building):
    path = "/api/2.0/mlflow/users/current"
    assert building.ask(creator, None, "GET", path).status_code == (200 if reads else 403)
    assert who_reads(building, "nlp", creator, "nlp") == repr((creator, reads))
