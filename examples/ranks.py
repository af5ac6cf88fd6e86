"""Ranks of one job that begin at once: one run for all of them, and a run of its own for each below that.

    JOB=digits-7 RANK=0 python ranks.py    # and so on, however the ranks are started

A rank that begins again, on another machine too, goes on with the run that it had.
"""

import os
import time

import mlflow
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME


def find(job: str, part: str) -> Run | None:
    """A job's run by what it is for: in the experiment that is set."""
    wanted = f"tags.job = '{job}' AND tags.part = '{part}'"
    return next(iter(mlflow.search_runs(filter_string=wanted, max_results=1, output_format="list")), None)


def shared(job: str, rank: int, experiment_id: str, patience: float = 300) -> str:
    """The run for all: rank 0 makes it, the others wait, so that there is one. Its id."""
    give_up = time.monotonic() + patience
    while time.monotonic() < give_up:
        if found := find(job, "all"):
            return found.info.run_id
        if rank == 0:
            tags = {"job": job, "part": "all", MLFLOW_RUN_NAME: job}
            return MlflowClient().create_run(experiment_id, tags=tags).info.run_id
        time.sleep(1)
    raise TimeoutError(f"rank 0 of {job} has made no run")


def own(job: str, rank: int, above: str) -> mlflow.ActiveRun:
    """The rank's own run, which its `with` begins or goes on with."""
    if found := find(job, str(rank)):
        return mlflow.start_run(run_id=found.info.run_id)
    return mlflow.start_run(run_name=f"rank {rank}", parent_run_id=above, tags={"job": job, "part": str(rank)})


def main() -> None:
    job, rank, ranks = os.environ["JOB"], int(os.environ["RANK"]), int(os.environ.get("WORLD_SIZE", "1"))
    experiment = mlflow.set_experiment(os.environ.get("EXPERIMENT", "ranks"))
    above = shared(job, rank, experiment.experiment_id)
    client = MlflowClient()
    with own(job, rank, above) as run:
        begun = len(client.get_metric_history(run.info.run_id, "loss"))
        for step in range(begun, 4):
            # Into the run for all by its id: `start_run` would end it with the first rank that is done. And first: of a
            # rank that is killed between the two it has the step twice then, not never.
            client.log_metric(above, f"loss of rank {rank}", 1 / (1 + step), step=step)
            mlflow.log_metric("loss", 1 / (1 + step), step=step)
            if os.environ.get("DIE_AT") == str(step):
                os._exit(9)
        client.set_tag(above, f"done.{rank}", "yes")
    if sum(tag.startswith("done.") for tag in client.get_run(above).data.tags) == ranks:
        client.set_terminated(above)
    print(above, run.info.run_id)


if __name__ == "__main__":
    main()
