"""What a realm writes down of its logins, and of what its administrators do.

keycloak/terraform-provider-keycloak v5.9.0: provider/resource_keycloak_realm_events.go
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, decode, encode, flag, number, strings
from offline.providers.keycloak.objects import REALM, properties_of

FIELDS: dict[str, Field] = {
    "adminEventsDetailsEnabled": flag(),
    "adminEventsEnabled": flag(),
    "enabledEventTypes": strings(),
    "eventsEnabled": flag(),
    "eventsExpiration": number(),
    "eventsListeners": strings(),
}


class RealmEvents(ResourceType):
    """keycloak:index/realmEvents:RealmEvents (pulumi-keycloak 6.14.1).

    Every realm has these settings, so deleting them turns all off.
    """

    token = "keycloak:index/realmEvents:RealmEvents"
    properties = properties_of(FIELDS, realmId=REALM)

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return inputs["realmId"], self.update(client, inputs["realmId"], {}, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        live = client.get(id, "events", "config")
        return live and _told(id, live, state or {"enabledEventTypes": live["enabledEventTypes"]})

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        if client.get(id, "events", "config") is None:
            raise ProviderError(f"There is no realm {id} to keep events of; make it first.")
        body = _all(inputs)
        client.put(id, "events", "config", body=body)
        return _told(id, body, inputs)

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        if client.get(id, "events", "config") is not None:
            client.put(id, "events", "config", body=_all({}))


def _all(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The whole representation, in which what the program leaves out is off."""
    return encode(FIELDS, inputs, None)


def _told(realm: str, live: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Without a choice of the program's among the types the server's list of them all is no news."""
    told = {"realmId": realm, **decode(FIELDS, live, given)}
    return told if given.get("enabledEventTypes") else {**told, "enabledEventTypes": None}
