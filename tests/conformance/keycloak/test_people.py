"""Users, groups, and who is in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ..harness import Case, Plugin, Refused, Resource, live
from .world import CLIENT, GROUP, GROUP_ROLES, MEMBERS, REALM, USER, USER_GROUPS, World


def _id_of(plugin: Plugin, world: World, username: str) -> str:
    return plugin.client.get(world.realm, "users", username=username, exact="true")[0]["id"]


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
        plugin.client.delete(world.realm, "users", _id_of(plugin, world, "bob"), "groups", world.group)

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


def _all_groups(plugin: Plugin, world: World) -> Case:
    alice, other = _id_of(plugin, world, "alice"), world.other_group
    inputs = {"realmId": world.realm, "userId": alice}
    return Case(
        USER_GROUPS,
        {**inputs, "groupIds": [world.group]},
        update={**inputs, "groupIds": [other]},
        replace={**inputs, "userId": _id_of(plugin, world, "bob"), "groupIds": [other]},
        drift=lambda made: plugin.client.put(world.realm, "users", alice, "groups", world.group),
        drifted={"groupIds"},
        importable=False,  # without its groups it is still there
    )


def _some_groups_of_a_service_client(plugin: Plugin, world: World) -> Case:
    account, other = _id_of(plugin, world, "service-account-program"), world.other_group
    inputs = {"realmId": world.realm, "userId": account, "exhaustive": False}
    return Case(
        USER_GROUPS,
        {**inputs, "groupIds": [world.group]},
        update={**inputs, "groupIds": [world.group, other]},
        replace={**inputs, "realmId": "other", "groupIds": [other]},
        drift=lambda made: plugin.client.delete(world.realm, "users", account, "groups", other),
        drifted={"groupIds"},
        importable=False,
    )


def _role(plugin: Plugin, world: World, name: str) -> dict[str, Any]:
    """A role of the realm, or of a client of Keycloak's own."""
    client, _, role = name.rpartition("/")
    owner = ("clients", plugin.client.get(world.realm, "clients", clientId=client)[0]["id"]) if client else ()
    return plugin.client.get(world.realm, *owner, "roles", role)


def _all_roles(plugin: Plugin, world: World) -> Case:
    ours, foreign = _role(plugin, world, "offline_access"), _role(plugin, world, "realm-management/realm-admin")
    inputs = {"realmId": world.realm, "groupId": world.group}
    mappings = (world.realm, "groups", world.group, "role-mappings", "clients", foreign["containerId"])
    return Case(
        GROUP_ROLES,
        {**inputs, "roleIds": [ours["id"]]},
        update={**inputs, "roleIds": []},
        replace={**inputs, "groupId": "other", "roleIds": []},
        drift=lambda made: plugin.client.add(*mappings, body=[foreign]),
        drifted={"roleIds"},
        importable=False,  # without its roles it is still there
    )


def _some_roles(plugin: Plugin, world: World) -> Case:
    ours, foreign = _role(plugin, world, "offline_access"), _role(plugin, world, "account/view-profile")
    inputs = {"realmId": world.realm, "groupId": world.group, "exhaustive": False}
    mappings = (world.realm, "groups", world.group, "role-mappings", "clients", foreign["containerId"])
    return Case(
        GROUP_ROLES,
        {**inputs, "roleIds": [ours["id"]]},
        update={**inputs, "roleIds": [ours["id"], foreign["id"]]},
        replace={**inputs, "realmId": "other", "roleIds": []},
        drift=lambda made: plugin.client.delete(*mappings, body=[foreign]),
        drifted={"roleIds"},
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


LIVES = [
    _group,
    _members,
    _service_members,
    _all_groups,
    _some_groups_of_a_service_client,
    _all_roles,
    _some_roles,
    _user,
]


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


@dataclass(frozen=True)
class Newcomer:
    """A user of a test's own, and three groups of which the user is in the last, by nobody's doing here."""

    plugin: Plugin
    realm: str
    id: str
    a: str
    b: str
    before: str

    def groups(self) -> set[str]:
        return {group["id"] for group in self.plugin.client.get(self.realm, "users", self.id, "groups")}

    def some(self, *groups: str) -> dict[str, Any]:
        return {"realmId": self.realm, "userId": self.id, "groupIds": [*groups], "exhaustive": False}

    def all(self, *groups: str) -> dict[str, Any]:
        return {"realmId": self.realm, "userId": self.id, "groupIds": [*groups]}


@pytest.fixture
def newcomer(plugin: Plugin, world: World) -> Iterator[Newcomer]:
    user = plugin.create(USER, {"realmId": world.realm, "username": "newcomer"})
    groups = [plugin.create(GROUP, {"realmId": world.realm, "name": f"group-{letter}"}) for letter in "abc"]
    a, b, before = (group.id for group in groups)
    plugin.client.put(world.realm, "users", user.id, "groups", before)
    yield Newcomer(plugin, world.realm, user.id, a, b, before)
    for made in (user, *groups):
        plugin.delete(made)


def test_a_list_of_some_groups_leaves_the_others_alone(plugin: Plugin, newcomer: Newcomer):
    made = plugin.create(USER_GROUPS, newcomer.some(newcomer.a))
    assert made.id == f"{newcomer.realm}/{newcomer.id}"
    assert made.outputs["groupIds"] == [newcomer.a]
    assert newcomer.groups() == {newcomer.a, newcomer.before}

    made = plugin.update(made, newcomer.some(newcomer.b))
    assert made.outputs["groupIds"] == [newcomer.b]
    assert newcomer.groups() == {newcomer.b, newcomer.before}

    plugin.delete(made)
    assert newcomer.groups() == {newcomer.before}


def test_two_lists_of_some_groups_of_one_user_do_not_see_each_other(plugin: Plugin, newcomer: Newcomer):
    one, two = (plugin.create(USER_GROUPS, newcomer.some(group)) for group in (newcomer.a, newcomer.b))
    found = plugin.refresh(one)
    assert found is not None and found.outputs["groupIds"] == [newcomer.a]
    plugin.delete(one)
    found = plugin.refresh(two)
    assert found is not None and found.outputs["groupIds"] == [newcomer.b]


def test_a_list_of_all_groups_removes_the_others_and_an_import_is_one(plugin: Plugin, newcomer: Newcomer):
    made = plugin.create(USER_GROUPS, newcomer.some(newcomer.a))
    found = plugin.imported(USER_GROUPS, made.id)
    assert found is not None and found.outputs["exhaustive"] is True
    assert set(found.outputs["groupIds"]) == {newcomer.a, newcomer.before}

    assert plugin.diff(made, newcomer.all(newcomer.a)).roots == {"exhaustive"}
    made = plugin.update(made, newcomer.all(newcomer.a))
    assert newcomer.groups() == {newcomer.a}
    made = plugin.update(made, newcomer.all())
    assert newcomer.groups() == set()
    assert plugin.diff(made, newcomer.all()).kind == "none"


def test_an_import_needs_a_realm_and_a_user(plugin: Plugin, newcomer: Newcomer):
    for id in (newcomer.id, f"{newcomer.realm}/users/{newcomer.id}"):
        with pytest.raises(Refused, match="needs an id like realm/user's id"):
            plugin.imported(USER_GROUPS, id)


def test_the_groups_of_a_user_who_is_gone_are_gone(plugin: Plugin, newcomer: Newcomer):
    made = plugin.create(USER_GROUPS, newcomer.some(newcomer.a))
    plugin.client.delete(newcomer.realm, "users", newcomer.id)
    with pytest.raises(Refused, match=f"has no user {newcomer.id}"):
        plugin.update(made, newcomer.some(newcomer.a, newcomer.b))
    with pytest.raises(Refused, match=f"has no user {newcomer.id}"):
        plugin.create(USER_GROUPS, newcomer.some(newcomer.a))
    assert plugin.refresh(made) is None
    plugin.delete(made)


def test_a_group_that_is_gone_is_out_of_the_list_and_refused_as_a_new_one(plugin: Plugin, newcomer: Newcomer):
    made = plugin.create(USER_GROUPS, newcomer.some(newcomer.a, newcomer.b))
    plugin.client.delete(newcomer.realm, "groups", newcomer.a)
    found = plugin.refresh(made)
    assert found is not None and found.outputs["groupIds"] == [newcomer.b]
    with pytest.raises(Refused, match=r"(?i)group not found"):
        plugin.update(found, newcomer.some(newcomer.a, newcomer.b))
    with pytest.raises(Refused, match=r"(?i)group not found"):  # nobody has refreshed
        plugin.update(made, newcomer.some(newcomer.b))
    plugin.delete(made)
    assert newcomer.groups() == {newcomer.before}


def test_a_list_of_some_roles_leaves_the_others_alone_and_one_of_all_removes_them(plugin: Plugin, world: World):
    group = plugin.create(GROUP, {"realmId": world.realm, "name": "with roles"})
    ours, foreign = _role(plugin, world, "offline_access"), _role(plugin, world, "realm-management/realm-admin")
    mappings = (world.realm, "groups", group.id, "role-mappings")
    plugin.client.add(*mappings, "clients", foreign["containerId"], body=[foreign])
    inputs = {"realmId": world.realm, "groupId": group.id}

    some = plugin.create(GROUP_ROLES, {**inputs, "roleIds": [ours["id"]], "exhaustive": False})
    assert plugin.client.get(*mappings).keys() == {"realmMappings", "clientMappings"}
    some = plugin.update(some, {**inputs, "roleIds": [], "exhaustive": False})
    assert plugin.client.get(*mappings).keys() == {"clientMappings"}

    found = plugin.imported(GROUP_ROLES, some.id)
    assert found is not None and found.outputs["roleIds"] == [foreign["id"]]
    plugin.update(found, {**inputs, "roleIds": []})
    assert plugin.client.get(*mappings) == {}
    for id in (group.id, f"{world.realm}/x/{group.id}"):
        with pytest.raises(Refused, match="needs an id like realm/group's id"):
            plugin.imported(GROUP_ROLES, id)
    plugin.delete(group)


def test_what_a_list_of_members_was_goes_on_as_a_list_of_roles_and_throws_nobody_out(plugin: Plugin, world: World):
    """By an alias of the program's; with the official plugin's bridge it is the same."""
    group = plugin.create(GROUP, {"realmId": world.realm, "name": "moving"})
    inputs = {"realmId": world.realm, "groupId": group.id}
    members = plugin.create(MEMBERS, {**inputs, "members": ["alice"]})
    moved = replace(members, token=GROUP_ROLES)
    assert plugin.diff(moved, {**inputs, "roleIds": []}).kind == "update"
    moved = plugin.update(moved, {**inputs, "roleIds": []})
    assert plugin.diff(moved, {**inputs, "roleIds": []}).kind == "none"
    found = plugin.refresh(moved)
    assert found is not None and found.id == f"{world.realm}/{group.id}"
    plugin.delete(found)
    found = plugin.refresh(members)
    assert found is not None and found.outputs["members"] == ["alice"]
    plugin.delete(group)
