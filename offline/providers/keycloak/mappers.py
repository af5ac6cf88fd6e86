"""Protocol mappers: what a token carries.

Config keys and defaults: keycloak/terraform-provider-keycloak v5.9.0, keycloak/protocol_mapper.go and
provider/resource_keycloak_openid_*_protocol_mapper.go.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from offline.providers.base import CheckError, Prop, ProviderError
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, flag, text
from offline.providers.keycloak.objects import AdminObject, properties_of
from offline.providers.values import UNKNOWN

_C = "config"
_VALUE_TYPES = ("JSON", "String", "long", "int", "boolean")

_ID_TOKEN = flag(_C, "id.token.claim", default=True)
_ACCESS_TOKEN = flag(_C, "access.token.claim", default=True)
_USERINFO = flag(_C, "userinfo.token.claim", default=True)
_INTROSPECTION = flag(_C, "introspection.token.claim", default=True)


def _mapper_properties(fields: Mapping[str, Field]) -> dict[str, Prop]:
    return properties_of(
        fields,
        realmId=Prop(str, required=True, replaces=True),
        clientId=Prop(str, replaces=True),
        clientScopeId=Prop(str, replaces=True),
    )


class _Mapper(AdminObject):
    """A mapper of a client or of a client scope."""

    mapper: ClassVar[str]
    delete_before_replace = True
    import_format = "realm/client/client's id/mapper's id or realm/client-scope/scope's id/mapper's id"

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        scope = values.get("clientScopeId")
        owner = ("client-scopes", scope) if scope else ("clients", values["clientId"])
        return values["realmId"], *owner, "protocol-mappers", "models"

    def locate(self, id: str) -> tuple[dict[str, Any], str] | None:
        match id.split("/"):
            case [realm, "client", owner, own]:
                return {"realmId": realm, "clientId": owner}, own
            case [realm, "client-scope", owner, own]:
                return {"realmId": realm, "clientScopeId": owner}, own
        return None

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if bool(inputs.get("clientId")) == bool(inputs.get("clientScopeId")):
            raise CheckError("clientId", "exactly one of 'clientId' and 'clientScopeId' must be set")
        return super().check(inputs)

    def update(self, client: AdminApi, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["name"] != state["name"]:  # Keycloak answers 204 and keeps the old name (seen on 26.4.7)
            raise ProviderError(
                f"Keycloak cannot rename mapper {state['name']!r} to {inputs['name']!r}: replace it "
                "(pulumi up --replace URN) or give the resource a new name in the program."
            )
        return super().update(client, id, state, inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, inputs, None)  # a PUT replaces the whole config
        return body | {"id": id or None, "protocol": "openid-connect", "protocolMapper": self.mapper}


class UserAttributeProtocolMapper(_Mapper):
    """keycloak:openid/userAttributeProtocolMapper:UserAttributeProtocolMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/userAttributeProtocolMapper:UserAttributeProtocolMapper"
    mapper = "oidc-usermodel-attribute-mapper"
    fields = {
        "name": text(auto_name=True),
        "userAttribute": text(_C, "user.attribute", required=True),
        "claimName": text(_C, "claim.name", required=True),
        "claimValueType": text(_C, "jsonType.label", default="String"),
        "addToIdToken": _ID_TOKEN,
        "addToAccessToken": _ACCESS_TOKEN,
        "addToUserinfo": _USERINFO,
        "addToTokenIntrospection": _INTROSPECTION,
        "multivalued": flag(_C, "multivalued"),
        "aggregateAttributes": flag(_C, "aggregate.attrs"),
    }
    properties = _mapper_properties(fields)

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        kind = inputs.get("claimValueType")
        if kind != UNKNOWN and str(kind).lower() not in map(str.lower, _VALUE_TYPES):
            raise CheckError(
                "claimValueType", f"'claimValueType' must be one of {', '.join(_VALUE_TYPES)}, not {kind!r}"
            )
        return super().check(inputs)


class GroupMembershipProtocolMapper(_Mapper):
    """keycloak:openid/groupMembershipProtocolMapper:GroupMembershipProtocolMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/groupMembershipProtocolMapper:GroupMembershipProtocolMapper"
    mapper = "oidc-group-membership-mapper"
    fields = {
        "name": text(auto_name=True, replaces=True),
        "claimName": text(_C, "claim.name", required=True),
        "fullPath": flag(_C, "full.path", default=True),
        "addToIdToken": _ID_TOKEN,
        "addToAccessToken": _ACCESS_TOKEN,
        "addToUserinfo": _USERINFO,
        "addToTokenIntrospection": flag(_C, "introspection.token.claim"),
    }
    properties = _mapper_properties(fields)


class AudienceProtocolMapper(_Mapper):
    """keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper"
    mapper = "oidc-audience-mapper"
    fields = {
        "name": text(auto_name=True),
        "includedClientAudience": text(_C, "included.client.audience", absent=None),
        "includedCustomAudience": text(_C, "included.custom.audience", absent=None),
        "addToIdToken": _ID_TOKEN,
        "addToAccessToken": _ACCESS_TOKEN,
        "addToTokenIntrospection": _INTROSPECTION,
    }
    properties = _mapper_properties(fields)

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if bool(inputs.get("includedClientAudience")) == bool(inputs.get("includedCustomAudience")):
            reason = "exactly one of 'includedClientAudience' and 'includedCustomAudience' must be set"
            raise CheckError("includedClientAudience", reason)
        return super().check(inputs)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        realm, audience = inputs["realmId"], inputs.get("includedClientAudience")
        if audience and not client.get(realm, "clients", clientId=audience):
            raise ProviderError(f"Mapper {inputs['name']}: realm {realm} has no client {audience!r} to be an audience.")
        return super().body(client, id, inputs, state)
