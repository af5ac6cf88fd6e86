"""Requests that are drawn, and what twenty lines say that they may do."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plugin.workspaces.building import PEOPLE, ROOMS, STRENGTH, Building, rights
from tests.plugin.workspaces.things import API, NEWER, SHARED, Things

DRAWN = 2000
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


def may(person: str, room: str | None, thing: str | None, *, write: bool) -> bool:
    """The model: a level in the room that is asked, which has the thing, and enough for what is to be done there."""
    theirs = rights(person)
    asked = room or next((own for own in ROOMS if own in theirs), None)
    if asked is None or asked not in theirs:
        return False
    if write and STRENGTH.index(theirs[asked]) < STRENGTH.index("EDIT"):
        return False
    return thing in (None, asked)


def sent(building: Building, person: str, room: str | None, request: Request) -> tuple[int, str]:
    answer = building.call(person, room, *request)
    return answer.status_code, answer.text


PERSON, ROOM = st.sampled_from([*PEOPLE]), st.sampled_from([*ROOMS, None, "video"])
DRAWING = settings(
    max_examples=DRAWN // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@DRAWING
@given(person=PERSON, room=ROOM, thing=st.sampled_from(ROOMS), write=st.booleans(), data=st.data())
def test_who_gets_a_thing_is_in_its_room(
    building: Building, rooms: dict[str, Things], person: str, room: str | None, thing: str, write: bool, data: Any
):
    kind = data.draw(st.sampled_from([*(WRITES if write else READS)]))
    status, text = sent(building, person, room, (WRITES if write else READS)[kind](rooms[thing].ids))
    assert (status == 200) == may(person, room, thing, write=write), (status, text[:300])
    if status != 200:
        assert rooms[thing].content not in text
        assert status in (400, 403, 404), text


@DRAWING
@given(person=PERSON, room=ROOM, kind=st.sampled_from([*LISTS]))
def test_a_list_has_what_is_in_the_room_and_of_no_other(
    building: Building, rooms: dict[str, Things], person: str, room: str | None, kind: str
):
    status, text = sent(building, person, room, LISTS[kind])
    assert (status == 200) == may(person, room, None, write=False), (status, text[:300])
    if status == 200:
        asked = room or next(own for own in ROOMS if own in rights(person))
        assert {name for name, its in rooms.items() if its.mark in text or its.content in text} == {asked}
