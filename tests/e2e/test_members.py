"""Who is in a team: the stack file decides on those whom it names, and on nobody else."""

import copy
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import httpx
import pytest

from launcher.state import State
from tests.e2e import keycloak
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

TEAM = "model-developers"


@pytest.fixture
def admin(platform: Platform) -> Iterator[httpx.Client]:
    port = platform.stack.ports["admin_keycloak"]
    with keycloak.administration(port, platform.outputs["keycloak_admin"]) as administrator:
        yield administrator


@pytest.fixture
def teams(platform: Platform) -> Iterator[dict[str, Any]]:
    """The stack file's teams, to be changed; they are as before when the test is over."""
    before = platform.stack.set({})["teams"]
    yield copy.deepcopy(before)
    platform.stack.set({"teams": before})
    platform.stack.up()


@pytest.fixture
def zoe(admin: httpx.Client) -> Iterator[str]:
    """Somebody whom only Keycloak's administrator knows, and has put into a team."""
    place = admin.post("/users", json={"username": "zoe", "enabled": True}).headers["location"]
    assert admin.put(f"{place}/groups/{group(admin, TEAM)}").status_code == 204
    yield "zoe"
    assert admin.delete(place).status_code == 204


def group(admin: httpx.Client, name: str) -> str:
    [found] = admin.get("/groups", params={"search": name, "exact": "true"}).json()
    return found["id"]


def members(admin: httpx.Client, team: str) -> set[str]:
    return {user["username"] for user in admin.get(f"/groups/{group(admin, team)}/members").json()}


@pytest.mark.slow
def test_whom_an_administrator_added_stays_whatever_the_stack_file_says_of_others(
    platform: Platform, admin: httpx.Client, teams: dict[str, Any], zoe: str
):
    named = {"dev", "service-account-ci"}
    assert set(platform.stack.up()) == set(platform.stack.refresh()) == {"same"}
    assert members(admin, TEAM) == {*named, zoe}

    teams[TEAM]["members"] = ["dev", "vera"]
    platform.stack.set({"teams": teams})
    assert platform.stack.up()["update"] == 1  # of vera's groups
    assert set(platform.stack.refresh()) == set(platform.stack.preview()) == {"same"}
    assert members(admin, TEAM) == {*named, "vera", zoe}

    teams[TEAM]["members"] = ["vera"]
    platform.stack.set({"teams": teams})
    platform.stack.up()
    assert members(admin, TEAM) == {"service-account-ci", "vera", zoe}
    assert platform.ask(platform.token("dev"), "GET", "/api/2.0/mlflow/users/current").status_code == 403


@pytest.mark.slow
def test_a_stack_of_before_moves_over_and_nobody_is_out_for_a_moment(platform: Platform, admin: httpx.Client, zoe: str):
    """A team used to have a `GroupMemberships`; were it deleted, whom it lists would be thrown out."""
    ids = {name: group(admin, name) for name in platform.stack.set({})["teams"]}
    before = {name: members(admin, name) for name in ids}
    assert before[TEAM] == {"dev", "service-account-ci", zoe}
    lists = {ids[name]: sorted(before[name]) for name in ids}
    platform.stack.edit_state(lambda state: _of_before(state, lists))

    with _watched(admin, ids) as seen:
        done = platform.stack.up()

    assert seen == [before], "somebody was out meanwhile"
    assert done["create"] == 4  # ada's, dev's and vera's groups, and those of ci
    assert "delete" not in done
    assert set(platform.stack.up()) == set(platform.stack.refresh()) == set(platform.stack.preview()) == {"same"}
    assert {name: members(admin, name) for name in ids} == before


def _of_before(state: State, lists: Mapping[str, list[str]]) -> State:
    """With a list of members for each group, as recorded from the official plugin, and none for anybody's groups."""
    named = {it["urn"] for it in state.resources if it["type"].endswith(":UserGroups")}
    text = json.dumps(state.without(named).deployment)
    state = State(json.loads(text.replace("index/groupRoles:GroupRoles", "index/groupMemberships:GroupMemberships")))
    for made in state.resources:
        if made["type"].endswith(":GroupMemberships"):
            realm, group_id = made["inputs"]["realmId"], made["inputs"]["groupId"]
            values = {"realmId": realm, "groupId": group_id, "members": lists[group_id]}
            made["id"] = f"{realm}/group-memberships/{group_id}"
            made["inputs"], made["outputs"] = {"__defaults": [], **values}, values
    return state


@contextmanager
def _watched(admin: httpx.Client, ids: Mapping[str, str]) -> Iterator[list[dict[str, set[str]]]]:
    """Looks at all groups over and over; what it saw, without what was as at the look before."""
    seen: list[dict[str, set[str]]] = []
    enough = Event()

    def look() -> None:
        while not enough.wait(0.02):
            now = {
                name: {user["username"] for user in admin.get(f"/groups/{group_id}/members").json()}
                for name, group_id in ids.items()
            }
            if not seen or seen[-1] != now:
                seen.append(now)

    with ThreadPoolExecutor(1) as thread:
        looking = thread.submit(look)
        try:
            yield seen
        finally:
            enough.set()
        looking.result()


def test_a_refresh_sees_whoever_was_thrown_out_and_a_role_that_a_team_was_given_and_up_undoes_both(
    platform: Platform, admin: httpx.Client
):
    """With that role every developer would administer the realm."""
    user, team = keycloak.user_id(admin, "dev"), group(admin, TEAM)
    assert admin.delete(f"/users/{user}/groups/{team}").status_code == 204
    [client] = admin.get("/clients", params={"clientId": "realm-management"}).json()
    role = admin.get(f"/clients/{client['id']}/roles/realm-admin").json()
    mappings = f"/groups/{team}/role-mappings"
    assert admin.post(f"{mappings}/clients/{client['id']}", json=[role]).status_code == 204
    assert platform.stack.refresh()["update"] == 2
    assert platform.stack.up()["update"] == 2
    assert admin.get(mappings).json() == {}
    assert "dev" in members(admin, TEAM)
