"""Client scopes, and which of them a client has.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/openid_client_scope.go and
provider/resource_keycloak_openid_client_{scope,default_scopes,optional_scopes}.go
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from offline.providers.base import CheckError, Prop, ProviderError, ResourceType
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, flag, number, text
from offline.providers.keycloak.objects import AdminObject, properties_of

_A = "attributes"

FIELDS: dict[str, Field] = {
    "name": text(auto_name=True),
    "description": text(computed=True),
    "consentScreenText": text(_A, "consent.screen.text", absent=None),
    "includeInTokenScope": flag(_A, "include.in.token.scope", default=True),
    "includeInOpenidProviderMetadata": flag(_A, "include.in.openid.provider.metadata", default=True),
    "guiOrder": number(_A, "gui.order", quiet=True, absent=None),
}


class ClientScope(AdminObject):
    """keycloak:openid/clientScope:ClientScope (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/clientScope:ClientScope"
    fields = FIELDS
    properties = properties_of(FIELDS, realmId=Prop(str, required=True, replaces=True), extraConfig=Prop(dict, of=str))
    delete_before_replace = True

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "client-scopes"

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        extra = inputs.get("extraConfig")
        taken = sorted(_ATTRIBUTES & set(extra)) if isinstance(extra, Mapping) else []
        if taken:
            raise CheckError("extraConfig", f"'extraConfig' must not hold {taken[0]!r}: there is an input for it")
        return super().check(inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, inputs, state)
        # A PUT adds attributes and removes none: what the program no longer has is emptied.
        old, new = (state or {}).get("extraConfig") or {}, inputs.get("extraConfig") or {}
        attributes = body.get(_A, {}) | dict.fromkeys(old, "") | new
        attributes["display.on.consent.screen"] = "true" if inputs.get("consentScreenText") else "false"
        return body | {"name": inputs["name"], "protocol": "openid-connect", _A: attributes}

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        attributes = representation.get(_A) or {}
        told = super().told(client, representation, given)
        if attributes.get("display.on.consent.screen") != "true":
            told["consentScreenText"] = None
        extra = {key: attributes[key] for key in given.get("extraConfig") or {} if key in attributes}
        return {**told, "extraConfig": extra}


_ATTRIBUTES = {field.path[1] for field in FIELDS.values() if field.path[:1] == (_A,)} | {"display.on.consent.screen"}


class _ClientScopes(ResourceType):
    """All the scopes that a client has of one sort; the program's list is the whole truth."""

    sort: ClassVar[str]
    names: ClassVar[str]  # the property

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return f"{inputs['realmId']}/{inputs['clientId']}", self._reconciled(client, inputs)

    def read(self, client: AdminApi, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        realm, _, client_id = id.partition("/")
        if not client_id:
            raise ProviderError(f"An import of {self.token} needs an id like realm/client's id, not '{id}'.")
        attached = client.get(realm, "clients", client_id, f"{self.sort}-client-scopes")
        if attached is None:
            return None
        live, given = [scope["name"] for scope in attached], state.get(self.names)
        in_order = given if given and sorted(given) == sorted(live) else sorted(live)
        return {"realmId": realm, "clientId": client_id, self.names: in_order}

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        return self._reconciled(client, inputs)

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        at = self._at(state)
        for scope in client.get(*at) or []:
            if scope["name"] in state[self.names]:
                client.delete(*at, scope["id"])

    def _at(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "clients", values["clientId"], f"{self.sort}-client-scopes"

    def _reconciled(self, client: AdminApi, inputs: dict[str, Any]) -> dict[str, Any]:
        at, wanted = self._at(inputs), set(inputs[self.names])
        attached = client.get(*at)
        if attached is None:
            raise ProviderError(f"There is no client {inputs['clientId']} in realm {inputs['realmId']}.")
        ids = {scope["name"]: scope["id"] for scope in client.get(inputs["realmId"], "client-scopes")}
        if missing := sorted(wanted - ids.keys()):
            raise ProviderError(f"Realm {inputs['realmId']} has no client scope {missing[0]!r}; it has {_listed(ids)}.")
        other = "optional" if self.sort == "default" else "default"
        elsewhere = {scope["name"] for scope in client.get(*at[:-1], f"{other}-client-scopes")}
        if both := sorted(wanted & elsewhere):
            raise ProviderError(
                f"Scope {both[0]!r} is already attached to the client as {other}; remove it there first."
            )
        has = {scope["name"] for scope in attached}
        for name in sorted(has - wanted):
            client.delete(*at, ids[name])
        for name in sorted(wanted - has):
            client.put(*at, ids[name], body={})
        return {name: inputs[name] for name in ("realmId", "clientId", self.names)}


def _listed(names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names))


def _scope_list(names: str) -> dict[str, Prop]:
    return {
        "realmId": Prop(str, required=True, replaces=True),
        "clientId": Prop(str, required=True, replaces=True),
        names: Prop(list, of=str, required=True, unordered=True),
    }


class ClientDefaultScopes(_ClientScopes):
    """keycloak:openid/clientDefaultScopes:ClientDefaultScopes (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/clientDefaultScopes:ClientDefaultScopes"
    sort, names = "default", "defaultScopes"
    properties = _scope_list(names)


class ClientOptionalScopes(_ClientScopes):
    """keycloak:openid/clientOptionalScopes:ClientOptionalScopes (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/clientOptionalScopes:ClientOptionalScopes"
    sort, names = "optional", "optionalScopes"
    properties = _scope_list(names)
