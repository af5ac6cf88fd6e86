"""The process of one job: MLflow's own, in which artifacts are read as whoever started the job may read them.

MLflow (3.17.2) starts it for each job, with the storage user's keys and every row of the database in reach: a row that
names another place, written before anybody looked, is no more to a job than to a request.
"""

import json
import os
from contextlib import nullcontext

from mlflow.environment_variables import MLFLOW_WORKSPACE
from mlflow.server.handlers import _get_job_store
from mlflow.server.jobs import _job_subproc_entry
from mlflow.server.jobs.utils import MLFLOW_SERVER_JOB_ID_ENV_VAR
from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
from mlflow.utils.workspace_context import WorkspaceContext

from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.rights import Rights
from mlflow_platform.server.settings import AUTH_DATABASE_VARIABLE, Settings, load_settings
from mlflow_platform.server.within.storage import Bucket, read_there


def reader(settings: Settings) -> Identity:
    """Who started the job, by the rights that he has now.

    MLflow itself starts those that judge by a schedule: they are nobody's, and read in their experiment's own folder.
    """
    workspace = os.environ.get(MLFLOW_WORKSPACE.name)
    with WorkspaceContext(workspace) if workspace else nullcontext():
        job = _get_job_store().get_job(os.environ[MLFLOW_SERVER_JOB_ID_ENV_VAR])
    if job.creator is None:
        experiment = int(json.loads(job.params)["experiment_id"])
        return _nobody(f"{experiment}/", f"workspaces/{job.workspace}/{experiment}/")
    engine = create_sqlalchemy_engine_with_retry(os.environ[AUTH_DATABASE_VARIABLE])
    try:
        return Rights(engine, settings).identity(job.creator)
    finally:
        engine.dispose()


def _nobody(*reads: str) -> Identity:
    return Identity(
        username="",
        teams=frozenset(),
        levels={},
        client="mlflow-job",
        has_policy=False,
        issued_at=0,
        expires_at=0,
        reads=frozenset(reads),
    )


def main() -> None:
    settings = load_settings()
    who = reader(settings)
    read_there(Bucket(settings.bucket), lambda: who)
    _job_subproc_entry._main()


if __name__ == "__main__":
    main()
