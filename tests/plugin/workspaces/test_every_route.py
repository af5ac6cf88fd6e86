"""Somebody with every right in one room calls all routes that MLflow has with whatever is in another."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.plugin.conftest import PARAMETER, listed_routes
from tests.plugin.workspaces.building import Building
from tests.plugin.workspaces.things import Things

ELSEWHERE = ("/static-files", "/oidc", "/health", "/version", "/metrics")  # nothing of MLflow's tables
# The one asks the internet, the other makes its own data for half a minute; neither is told of anything.
TOO_SLOW = ("supported-models", "demo/generate")
NAMED = ("name", "prompt", "scorer", "endpoint", "experiment_name", "server")


@pytest.fixture(scope="module")
def theirs(rooms: dict[str, Things]) -> Things:
    return rooms["nlp"]


def bag(theirs: Things, name: str) -> dict[str, Any]:
    """Their ids under all names that requests have for them."""
    ids = theirs.ids
    return {
        **{key: value for key, value in ids.items() if key not in NAMED},
        "name": name,
        "new_name": f"{name}-taken",
        "scorer_name": name,
        "endpoint_name": name,
        "experiment_name": ids["experiment_name"],
        "experiment_ids": [ids["experiment_id"]],
        "run_uuid": ids["run_id"],
        "run_ids": [ids["run_id"]],
        "run_name": "taken",
        "source_run_id": ids["run_id"],
        "request_id": ids["trace_id"],
        "trace_ids": [ids["trace_id"]],
        "request_ids": [ids["trace_id"]],
        "locations": [
            {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": ids["experiment_id"]}},
        ],
        "item_ids": [ids["trace_id"]],
        "item_type": "TRACE",
        "logged_model_id": ids["model_id"],
        "source": f"models:/{ids['model_id']}",
        "endpoint_ids": [ids["endpoint_id"]],
        "model_config": {"model_definition_id": ids["model_definition_id"], "linkage_type": "PRIMARY", "weight": 1},
        "alias": "newest",
        "metric_key": "metric",
        "key": "tag",
        "value": "taken",
        "tags": [{"key": "tag", "value": "taken"}],
        "description": "taken",
        "path": "model",
        "timestamp": 2,
        "max_results": 100,
        "max_timestamp_millis": 4_000_000_000_000,
    }


def calls(
    building: Building, theirs: Things, named: Iterable[str] = NAMED
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for method, path in listed_routes(building.environment):
        if method not in {"OPTIONS", "HEAD"} and not path.startswith(ELSEWHERE) and not path.endswith(TOO_SLOW):
            for name in (theirs.ids[kind] for kind in named):
                known = {**theirs.ids, **bag(theirs, name)}
                filled = PARAMETER.sub(
                    lambda part, known=known: str(known.get(part[1] or part[2], known["run_id"])), path
                )
                yield method, filled, bag(theirs, name)


def rows(building: Building, theirs: Things) -> dict[str, list[Any]]:
    """All that MLflow's tables have of their room."""
    ids = {value for key, value in theirs.ids.items() if len(value) > 2}
    found = {}
    with closing(sqlite3.connect(f"file:{building.environment['TEST_HOME']}/mlflow.db?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            cursor = database.execute(f'SELECT * FROM "{table}"')
            columns = [column[0] for column in cursor.description]
            for row in cursor:
                named = dict(zip(columns, row, strict=True))
                if "workspace" in named:
                    is_theirs = named["workspace"] == theirs.room
                elif "experiment_id" in named:
                    is_theirs = str(named["experiment_id"]) == theirs.ids["experiment_id"]
                else:
                    is_theirs = bool(ids & {str(value) for value in row})
                if is_theirs:
                    found.setdefault(table, []).append(row)
    return {table: sorted(map(repr, of_it)) for table, of_it in found.items()}


def test_no_route_shows_or_changes_anything_of_another_room(building: Building, theirs: Things):
    before = rows(building, theirs)
    assert len(before) > 20  # tables: it looks where things are
    seen, answered = [], 0
    for method, path, known in calls(building, theirs):
        answer = building.call("vision", "vision", method, path, known)
        answered += answer.status_code == 200
        if theirs.content in answer.text:
            seen.append((method, path, answer.text[:300]))
    assert seen == []
    assert answered > 100  # it does not fail for another reason: searches find nothing, and much is made here
    assert rows(building, theirs) == before


def test_the_same_calls_show_it_to_who_is_in_the_room(building: Building, theirs: Things):
    """Or the test above would look with requests that nobody answers."""
    shown = {
        path
        for method, path, known in calls(building, theirs, ["name"])
        if method == "GET" and theirs.content in building.call("readers", "nlp", method, path, known).text
    }
    assert len(shown) > 20, shown
