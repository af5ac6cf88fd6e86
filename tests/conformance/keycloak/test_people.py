"""Users, groups, and who is in them."""

from collections.abc import Callable

import pytest

from ..harness import Case, Plugin, Refused, Resource, live
from .world import CLIENT, GROUP, MEMBERS, REALM, USER, World


def _group(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "name": "life", "parentId": world.group}
    return Case(
        GROUP,
        {**inputs, "attributes": {"policy": "readwrite##diagnostics"}, "description": "d"},
        update={**inputs, "name": "renamed", "attributes": {"policy": "readonly"}},
        replace={"realmId": world.realm, "name": "life"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "groups", made.id), body={"name": "renamed", "attributes": {"policy": ["consoleAdmin"]}}
        ),
        drifted={"attributes"},
        vanish=lambda made: plugin.client.delete(world.realm, "groups", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


def _members(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "groupId": world.group}

    def leave(made: Resource) -> None:
        bob = plugin.client.get(world.realm, "users", username="bob", exact="true")[0]["id"]
        plugin.client.delete(world.realm, "users", bob, "groups", world.group)

    return Case(
        MEMBERS,
        {**inputs, "members": ["alice"]},
        update={**inputs, "members": ["bob"]},
        replace={**inputs, "groupId": "other", "members": ["bob"]},
        drift=leave,
        drifted={"members"},
        importable=False,
    )


def _service_members(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "groupId": world.group}

    def leave(made: Resource) -> None:
        account = plugin.client.get(world.realm, "clients", world.program, "service-account-user")["id"]
        plugin.client.delete(world.realm, "users", account, "groups", world.group)

    return Case(
        MEMBERS,
        {**inputs, "members": ["alice", "service-account-program"]},
        update={**inputs, "members": ["service-account-program"]},
        drift=leave,
        drifted={"members"},
        importable=False,
    )


def _user(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "username": "carol", "initialPassword": {"value": "pw", "temporary": False}}
    return Case(
        USER,
        {**inputs, "email": "c@example.org", "emailVerified": True, "firstName": "C"},
        update={**inputs, "lastName": "Z", "enabled": False, "requiredActions": ["UPDATE_PASSWORD"]},
        replace={**inputs, "username": "dave"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "users", made.id), body={"enabled": True, "lastName": "edited"}
        ),
        drifted={"enabled", "lastName"},
        vanish=lambda made: plugin.client.delete(world.realm, "users", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


LIVES = [_group, _members, _service_members, _user]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_names_are_generated_and_replaced_ones_are_deleted_first(plugin: Plugin, world: World):
    made = plugin.create(GROUP, {"realmId": world.realm})
    assert made.inputs["name"].startswith("res-")
    assert plugin.diff(made, {"realmId": "other"}).kind == "replace (delete first)"
    plugin.delete(made)


def test_a_user_whose_password_is_refused_leaves_nothing_behind(plugin: Plugin, world: World):
    realm = plugin.create(REALM, {"realm": f"{world.realm}-strict", "passwordPolicy": "length(12)"})
    inputs = {"realmId": realm.id, "username": "erin", "initialPassword": {"value": "short"}}
    with pytest.raises(Refused, match=r"(?i)password") as refusal:
        plugin.create(USER, inputs)
    assert "short" not in str(refusal.value)
    made = plugin.create(USER, {**inputs, "initialPassword": {"value": "quite long enough"}})
    assert plugin.diff(made, {**inputs, "initialPassword": {"value": "another"}}).kind == "none"
    plugin.delete(realm)


def test_members_of_a_group_that_is_gone_are_gone(plugin: Plugin, world: World):
    group = plugin.create(GROUP, {"realmId": world.realm, "name": "short-lived"})
    inputs = {"realmId": world.realm, "groupId": group.id, "members": ["alice", "service-account-program"]}
    made = plugin.create(MEMBERS, inputs)
    plugin.delete(group)
    assert plugin.refresh(made) is None
    plugin.delete(made)


def test_a_service_client_that_goes_leaves_its_groups(plugin: Plugin, world: World):
    arguments = {"realmId": world.realm, "clientId": "going", "accessType": "CONFIDENTIAL"}
    client = plugin.create(CLIENT, {**arguments, "serviceAccountsEnabled": True})
    inputs = {"realmId": world.realm, "groupId": world.group}
    made = plugin.create(MEMBERS, {**inputs, "members": ["alice", "service-account-going"]})
    plugin.delete(client)
    found = plugin.refresh(made)
    assert found is not None
    assert found.outputs["members"] == ["alice"]
    plugin.delete(found)
