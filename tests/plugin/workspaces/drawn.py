"""Requests to draw from, and what ten lines say that they may do."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.plugin.workspaces.building import STRENGTH
from tests.plugin.workspaces.things import API, NEWER, SHARED

Ids = dict[str, str]
Request = tuple[str, str, dict[str, Any]]
# Each asks for one thing by its id, or by a name that only one room has.
READS: dict[str, Callable[[Ids], Request]] = {
    "experiment": lambda ids: ("GET", f"{API}experiments/get", {"experiment_id": ids["experiment_id"]}),
    "experiment by name": lambda ids: (
        "GET",
        f"{API}experiments/get-by-name",
        {"experiment_name": ids["experiment_name"]},
    ),
    "run": lambda ids: ("GET", f"{API}runs/get", {"run_id": ids["run_id"]}),
    "metric": lambda ids: ("GET", f"{API}metrics/get-history", {"run_id": ids["run_id"], "metric_key": "metric"}),
    "logged model": lambda ids: ("GET", f"{API}logged-models/{ids['model_id']}", {}),
    "model": lambda ids: ("GET", f"{API}registered-models/get", {"name": ids["name"]}),
    "version": lambda ids: ("GET", f"{API}model-versions/get", {"name": ids["name"], "version": "1"}),
    "alias": lambda ids: ("GET", f"{API}registered-models/alias", {"name": ids["name"], "alias": "newest"}),
    "prompt": lambda ids: ("GET", f"{API}registered-models/get", {"name": ids["prompt"]}),
    "trace": lambda ids: ("GET", f"{NEWER}traces/{ids['trace_id']}", {}),
    "feedback": lambda ids: ("GET", f"{NEWER}traces/{ids['trace_id']}/assessments/{ids['assessment_id']}", {}),
    "dataset": lambda ids: ("GET", f"{NEWER}datasets/{ids['dataset_id']}", {}),
    "scorer": lambda ids: (
        "GET",
        f"{NEWER}scorers/get",
        {"experiment_id": ids["experiment_id"], "name": ids["scorer"]},
    ),
    "schema": lambda ids: ("GET", f"{NEWER}label-schemas/get", {"schema_id": ids["schema_id"]}),
    "issue": lambda ids: ("GET", f"{NEWER}issues/{ids['issue_id']}", {}),
    "secret": lambda ids: ("GET", f"{NEWER}gateway/secrets/get", {"secret_id": ids["secret_id"]}),
    "endpoint": lambda ids: ("GET", f"{NEWER}gateway/endpoints/get", {"endpoint_id": ids["endpoint_id"]}),
    "server": lambda ids: ("GET", f"/ajax-api/3.0/mlflow/mcp-servers/{ids['server']}", {}),
}
WRITES: dict[str, Callable[[Ids], Request]] = {
    "metric": lambda ids: (
        "POST",
        f"{API}runs/log-metric",
        {"run_id": ids["run_id"], "key": "metric", "value": 1, "timestamp": 1},
    ),
    "run": lambda ids: ("POST", f"{API}runs/create", {"experiment_id": ids["experiment_id"]}),
    "experiment's tag": lambda ids: (
        "POST",
        f"{API}experiments/set-experiment-tag",
        {"experiment_id": ids["experiment_id"], "key": "drawn", "value": "x"},
    ),
    "run's tag": lambda ids: ("POST", f"{API}runs/set-tag", {"run_id": ids["run_id"], "key": "drawn", "value": "x"}),
    "model's tag": lambda ids: (
        "POST",
        f"{API}registered-models/set-tag",
        {"name": ids["name"], "key": "drawn", "value": "x"},
    ),
    "trace's tag": lambda ids: ("PATCH", f"{NEWER}traces/{ids['trace_id']}/tags", {"key": "drawn", "value": "x"}),
    "alias": lambda ids: (
        "POST",
        f"{API}registered-models/alias",
        {"name": ids["name"], "alias": "drawn", "version": "1"},
    ),
}
# Each lists what is there, of which every room has something.
LISTS: dict[str, Request] = {
    "experiments": ("POST", f"{API}experiments/search", {"max_results": 1000}),
    "models": ("GET", f"{API}registered-models/search", {"max_results": 100}),
    "versions": ("GET", f"{API}model-versions/search", {"max_results": 100}),
    "secrets": ("GET", f"{NEWER}gateway/secrets/list", {}),
    "endpoints": ("GET", f"{NEWER}gateway/endpoints/list", {}),
    "servers": ("GET", "/ajax-api/3.0/mlflow/mcp-servers", {}),
    "both rooms' model": ("GET", f"{API}registered-models/get", {"name": SHARED}),
    "both rooms' experiment": ("GET", f"{API}experiments/get-by-name", {"experiment_name": SHARED}),
}


def may(theirs: Mapping[str, str], order: Sequence[str], room: str | None, thing: str | None, *, write: bool) -> bool:
    """The model: a level in the room that is asked, which has the thing, and enough for what is to be done there.

    Levels by room; where none is asked, the first in the order counts in which somebody has one.
    """
    asked = room or next((own for own in order if own in theirs), None)
    if asked is None or asked not in theirs:
        return False
    if write and STRENGTH.index(theirs[asked]) < STRENGTH.index("EDIT"):
        return False
    return thing in (None, asked)
