"""Roles of Keycloak's that come with a group.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/group_role_mappings.go, provider/resource_keycloak_group_roles.go
"""

from collections.abc import Iterator
from typing import Any

from offline.providers.base import ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.objects import list_of, realm_and


class GroupRoles(ResourceType):
    """keycloak:index/groupRoles:GroupRoles (pulumi-keycloak 6.14.1): a group's roles, or with `exhaustive` off some."""

    token = "keycloak:index/groupRoles:GroupRoles"
    properties = list_of("roleIds", "groupId")

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return f"{inputs['realmId']}/{inputs['groupId']}", self._reconciled(client, inputs, set())

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        realm, group = (state["realmId"], state["groupId"]) if state else realm_and("group", self.token, id)
        roles = _of_group(client, realm, group)
        if roles is None:
            return None
        listed, exhaustive = state.get("roleIds", []), state.get("exhaustive", True)
        in_order = [role for role in listed if role in roles]
        others = sorted(roles.keys() - set(listed)) if exhaustive else []
        # The id as well: a state that was another type's comes with that type's.
        where = {"id": f"{realm}/{group}", "realmId": realm, "groupId": group}
        return {**where, "roleIds": in_order + others, "exhaustive": exhaustive}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        return self._reconciled(client, inputs, set(state.get("roleIds", [])))

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        realm, group = state["realmId"], state["groupId"]
        roles = _of_group(client, realm, group) or {}
        for role in roles.keys() & set(state["roleIds"]):
            client.delete(*_mappings(realm, group, roles[role]), body=[roles[role]])

    def _reconciled(self, client: AdminApi, inputs: dict[str, Any], before: set[str]) -> dict[str, Any]:
        """Gives the listed roles and takes those that were listed before, with `exhaustive` all others too."""
        realm, group, listed = inputs["realmId"], inputs["groupId"], set(inputs["roleIds"])
        roles = _of_group(client, realm, group)
        if roles is None:
            raise ProviderError(f"Realm {realm} has no group {group} to have roles.")
        for unlisted in sorted((roles.keys() if inputs["exhaustive"] else roles.keys() & before) - listed):
            client.delete(*_mappings(realm, group, roles[unlisted]), body=[roles[unlisted]])
        for id in sorted(listed - roles.keys()):
            role = client.get(realm, "roles-by-id", id)
            if role is None:
                raise ProviderError(f"Realm {realm} has no role {id} for group {group}.")
            client.add(*_mappings(realm, group, role), body=[role])
        return self.read(client, "", inputs) or inputs


def _of_group(client: AdminApi, realm: str, group: str) -> dict[str, dict[str, Any]] | None:
    """A group's roles by id, the realm's and clients'; None when the group is gone."""
    mappings = client.get(realm, "groups", group, "role-mappings")
    return None if mappings is None else {role["id"]: role for role in _each(mappings)}


def _each(mappings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from mappings.get("realmMappings", [])
    for of_client in mappings.get("clientMappings", {}).values():
        yield from of_client["mappings"]


def _mappings(realm: str, group: str, role: dict[str, Any]) -> tuple[str, ...]:
    """The path of the list that a group's role is in."""
    owner = ("clients", role["containerId"]) if role["clientRole"] else ("realm",)
    return realm, "groups", group, "role-mappings", *owner
