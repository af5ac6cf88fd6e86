"""Groups and who is in them.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/group.go, keycloak/user.go,
provider/resource_keycloak_group_memberships.go and _user_groups.go
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import CheckError, Prop, ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, multimap, text
from offline.providers.keycloak.objects import AdminObject, list_of, properties_of, realm_and
from offline.providers.values import UNKNOWN

_EVERYBODY = -1  # Keycloak's `max` for "no paging"

FIELDS: dict[str, Field] = {
    "name": text(auto_name=True),
    "description": text(computed=True, quiet=True),
    "attributes": multimap(),
}


class Group(AdminObject):
    """keycloak:index/group:Group (pulumi-keycloak 6.14.1), of a realm, not of an organization."""

    token = "keycloak:index/group:Group"
    fields = FIELDS
    properties = properties_of(
        FIELDS,
        realmId=Prop(str, required=True, replaces=True),
        parentId=Prop(str, replaces=True),
        organizationId=Prop(str, replaces=True),
        path=Prop(str, output=True, volatile=True),
    )
    unsupported = frozenset({"organizationId"})
    delete_before_replace = True

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "groups"

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        above = inputs.get("parentId")
        at = (*self.parent(inputs), above, "children") if above else self.parent(inputs)
        id = client.create(*at, body=self.body(client, "", inputs, None))
        return id, self.outputs(client, id, inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        return super().body(client, id, inputs, state) | {"name": inputs["name"]}  # a PUT needs the name

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **super().told(client, representation, given),
            "path": representation["path"],
            "parentId": representation.get("parentId"),
            "organizationId": "",
        }


class GroupMemberships(ResourceType):
    """keycloak:index/groupMemberships:GroupMemberships (pulumi-keycloak 6.14.1): the list is the whole truth."""

    token = "keycloak:index/groupMemberships:GroupMemberships"
    properties = {
        "realmId": Prop(str, required=True, replaces=True),
        "groupId": Prop(str, replaces=True),
        "members": Prop(list, of=str, required=True, unordered=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        members = inputs["members"] if isinstance(inputs["members"], list) else []
        for name in members:
            if name != UNKNOWN and name != name.lower():
                raise CheckError("members", f"'members' must be lower-case user names; Keycloak has no user {name!r}")
        if not inputs.get("groupId"):
            raise CheckError("groupId", "'groupId' is required")
        return inputs

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        realm, group = inputs["realmId"], inputs["groupId"]
        # Whoever is a member already stays until the next update, as with the official plugin.
        self._add(client, realm, group, set(inputs["members"]))
        id = f"{realm}/group-memberships/{group}"
        return id, self.read(client, id, inputs) or inputs

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        match id.split("/"):
            case [realm, "group-memberships", group]:
                members = self._members(client, realm, group)
            case _:
                raise ProviderError(
                    f"An import of {self.token} needs an id like realm/group-memberships/id, not '{id}'."
                )
        if members is None:
            return None
        given = state.get("members")
        in_order = given if given and sorted(given) == sorted(members) else sorted(members)
        return {"realmId": realm, "groupId": group, "members": in_order}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        realm, group, wanted = inputs["realmId"], inputs["groupId"], set(inputs["members"])
        members = self._members(client, realm, group) or {}
        for name in sorted(members.keys() - wanted):
            client.delete(realm, "users", members[name], "groups", group)
        self._add(client, realm, group, wanted - members.keys())
        return self.read(client, id, inputs) or inputs

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        realm, group = state["realmId"], state["groupId"]
        members = self._members(client, realm, group) or {}
        for name in sorted(members.keys() & set(state["members"])):
            client.delete(realm, "users", members[name], "groups", group)

    def _members(self, client: AdminApi, realm: str, group: str) -> dict[str, str] | None:
        """User name to id; None when the group is gone."""
        users = client.get(realm, "groups", group, "members", max=_EVERYBODY)
        return None if users is None else {user["username"]: user["id"] for user in users}

    def _add(self, client: AdminApi, realm: str, group: str, names: set[str]) -> None:
        for name in sorted(names):
            found = client.get(realm, "users", username=name, exact="true")
            if not found:
                raise ProviderError(f"Realm {realm} has no user {name!r} to be a member of group {group}.")
            client.put(realm, "users", found[0]["id"], "groups", group)


class UserGroups(ResourceType):
    """keycloak:index/userGroups:UserGroups (pulumi-keycloak 6.14.1): the groups of one user.

    With `exhaustive` the list is the whole truth; without, other groups are unseen, and a user may have several lists.
    """

    token = "keycloak:index/userGroups:UserGroups"
    properties = list_of("groupIds", "userId")

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return f"{inputs['realmId']}/{inputs['userId']}", self._reconcile(client, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        realm, user = realm_and("user", self.token, id)
        groups = self._groups(client, realm, user)
        if groups is None:
            return None
        listed, exhaustive = state.get("groupIds", []), state.get("exhaustive", True)
        in_order = [group for group in listed if group in groups]
        others = sorted(groups - set(listed)) if exhaustive else []
        return {"realmId": realm, "userId": user, "groupIds": in_order + others, "exhaustive": exhaustive}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        realm, user = inputs["realmId"], inputs["userId"]
        for group in sorted(set(state["groupIds"]) - set(inputs["groupIds"])):
            client.delete(realm, "users", user, "groups", group, may_be_gone=False)  # as with the official plugin
        return self._reconcile(client, inputs)

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        # The official plugin stops, content, at the first group that is gone, and leaves the user in those after it.
        for group in state["groupIds"]:
            client.delete(state["realmId"], "users", state["userId"], "groups", group)

    def _reconcile(self, client: AdminApi, inputs: dict[str, Any]) -> dict[str, Any]:
        """Makes the user a member of the listed groups, and with `exhaustive` of no other; returns the outputs."""
        realm, user, listed = inputs["realmId"], inputs["userId"], set(inputs["groupIds"])
        groups = self._groups(client, realm, user)
        if groups is None:
            raise ProviderError(f"Realm {realm} has no user {user} to be a member of groups.")
        for group in sorted(listed - groups):
            client.put(realm, "users", user, "groups", group)
        for group in sorted(groups - listed) if inputs["exhaustive"] else []:
            client.delete(realm, "users", user, "groups", group)
        return self.read(client, f"{realm}/{user}", inputs) or inputs

    def _groups(self, client: AdminApi, realm: str, user: str) -> set[str] | None:
        """The ids of a user's groups; None when the user is gone."""
        groups = client.get(realm, "users", user, "groups")
        return None if groups is None else {group["id"] for group in groups}
