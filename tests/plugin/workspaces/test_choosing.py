"""Which room a request is for, and what there is to see of the others."""

import json

import pytest

from tests.plugin.workspaces.building import PEOPLE, ROOMS, Building, rights

CREATE = "/api/2.0/mlflow/experiments/create"
SEARCH = "/api/2.0/mlflow/experiments/search"


@pytest.mark.parametrize("person", [person for person in PEOPLE if rights(person)])
def test_who_says_nothing_is_in_the_first_room_that_is_his(building: Building, person: str):
    first = next(room for room in ROOMS if room in rights(person))
    answer = building.ask(person, None, "GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default")
    location = answer.json()["experiment"]["artifact_location"]
    assert location.startswith(f"s3://mlflow/workspaces/{first}/")


@pytest.mark.parametrize("room", ["vision", "video", "", "default", "../vision", "VISION", "vision,nlp"])
def test_a_room_of_others_is_told_from_none_by_nothing(building: Building, room: str):
    answer = building.ask("nlp", room, "POST", SEARCH, json={"max_results": 10})
    if not room:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403
        assert answer.json()["message"] == "None of your teams is in a workspace of that name; yours are nlp."


def test_who_was_refused_a_room_is_in_the_audit_trail(building: Building):
    before = len(building.server.log_file.read_text())
    building.ask("callers", "vision", "GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
    written = building.server.log_file.read_text()[before:].splitlines()
    [line] = [json.loads(text[text.index("{") :]) for text in written if '"event": "refused"' in text]
    assert (line["user"], line["status"]) == ("callers", 403)


def test_a_request_for_two_rooms_is_for_none(building: Building):
    headers = [
        ("Authorization", f"Bearer {building.tokens['everywhere']}"),
        ("X-MLFLOW-WORKSPACE", "nlp"),
        ("X-MLFLOW-WORKSPACE", "vision"),
    ]
    assert building.server.http.post(SEARCH, json={"max_results": 10}, headers=headers).status_code == 400


def test_who_is_in_no_team_is_in_no_room(building: Building):
    assert building.ask("nobody", None, "POST", SEARCH, json={"max_results": 10}).status_code == 403
    answer = building.ask("nobody", "vision", "POST", SEARCH, json={"max_results": 10})
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "None of your groups is a team of this platform; ask its administrators to add you to one.",
    )


@pytest.mark.parametrize("person", [person for person in PEOPLE if rights(person)])
def test_mlflow_lists_the_rooms_that_are_ones_own(building: Building, person: str):
    room = next(iter(rights(person)))
    listed = building.ask(person, room, "GET", "/api/3.0/mlflow/workspaces").json()["workspaces"]
    assert {workspace["name"] for workspace in listed} == set(rights(person))


@pytest.mark.parametrize("person", ["vision", "admins"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/3.0/mlflow/workspaces"),
        ("PATCH", "/api/3.0/mlflow/workspaces/vision"),
        ("DELETE", "/ajax-api/3.0/mlflow/workspaces/vision"),
        ("POST", "/api/3.0//mlflow//workspaces"),
    ],
)
def test_rooms_are_made_in_the_stacks_file_alone(building: Building, person: str, method: str, path: str):
    answer = building.ask(person, "vision", method, path, json={"name": "video", "default_artifact_root": "s3://x"})
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "Workspaces are named in the stack's file, not here.",
    )


def test_two_rooms_have_things_of_the_same_name(building: Building):
    made = {
        room: building.done("everywhere", room, CREATE, name="the same name")["experiment_id"]
        for room in ("vision", "nlp", "default")
    }
    assert len(set(made.values())) == 3
    for room in made:
        building.done("everywhere", room, "/api/2.0/mlflow/registered-models/create", name="the same model")


def test_where_artifacts_lie_is_the_rooms_to_say(building: Building):
    answer = building.ask(
        "vision",
        "vision",
        "POST",
        CREATE,
        json={"name": "elsewhere", "artifact_location": "s3://mlflow/workspaces/nlp/1"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("person", [*PEOPLE])
def test_who_asks_is_told_his_rooms_the_first_choice_first(building: Building, person: str):
    answer = building.ask(person, None, "GET", "/oidc/session").json()
    assert answer["workspaces"] == [room for room in ROOMS if room in rights(person)]
