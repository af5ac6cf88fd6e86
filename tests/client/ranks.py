"""Ranks of a job that really begin at once, and what the server has of them in the end."""

from collections.abc import Iterable
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from mlflow.tracking import MlflowClient

from tests.client import double
from tests.client.double import Double

RANKS = 4


def hold_up_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes an experiment at a double waits until all ranks are about to."""
    together = Barrier(RANKS)
    forwarded = double._forwarded

    def held_up(method: str, url: str, headers: dict[str, str], body: bytes):
        if url.endswith("/experiments/create"):
            with suppress(BrokenBarrierError):  # somebody waited too long for the rest: there is no race then
                together.wait(90)
        return forwarded(method, url, headers, body)

    monkeypatch.setattr(double, "_forwarded", held_up)


def all_are_kept(tracking: Double, experiment: str, printed: Iterable[str]) -> None:
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
