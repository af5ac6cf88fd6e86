"""Other providers by which people log in, and what of their claims becomes what in Keycloak.

keycloak/terraform-provider-keycloak v5.9.0: provider/generic_keycloak_identity_provider.go,
provider/resource_keycloak_oidc_identity_provider.go, provider/resource_keycloak_custom_identity_provider_mapper.go
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import Prop
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, flag, text
from offline.providers.keycloak.objects import AdminObject, properties_of

_C = "config"
_REALM = Prop(str, required=True, replaces=True)

FIELDS: dict[str, Field] = {
    "alias": text(required=True, replaces=True),
    "displayName": text(),
    "providerId": text(default="oidc"),
    "enabled": flag(implied=True),
    "storeToken": flag(implied=True),
    "addReadTokenRoleOnCreate": flag(replaces=True),
    "authenticateByDefault": flag(),
    "linkOnly": flag(),
    "trustEmail": flag(),
    "hideOnLoginPage": flag("hideOnLogin"),
    "firstBrokerLoginFlowAlias": text(default="first broker login"),
    "postBrokerLoginFlowAlias": text(),
    "organizationId": text(quiet=True),
    "clientId": text(_C, "clientId", required=True),
    "authorizationUrl": text(_C, "authorizationUrl", required=True),
    "tokenUrl": text(_C, "tokenUrl", required=True),
    "logoutUrl": text(_C, "logoutUrl"),
    "userInfoUrl": text(_C, "userInfoUrl"),
    "jwksUrl": text(_C, "jwksUrl"),
    "issuer": text(_C, "issuer"),
    "loginHint": text(_C, "loginHint"),
    "uiLocales": flag(_C, "uiLocales"),
    "defaultScopes": text(_C, "defaultScope", implied="openid"),
    "guiOrder": text(_C, "guiOrder"),
    "syncMode": text(_C, "syncMode"),
    "backchannelSupported": flag(_C, "backchannelSupported", default=True),
    "validateSignature": flag(_C, "validateSignature"),
    "disableUserInfo": flag(_C, "disableUserInfo"),
    "disableTypeClaimCheck": flag(_C, "disableTypeClaimCheck"),
    "acceptsPromptNoneForwardFromClient": flag(_C, "acceptsPromptNoneForwardFromClient"),
    "orgDomain": text(_C, "kc.org.domain"),
    "orgRedirectModeEmailMatches": flag(_C, "kc.org.broker.redirect.mode.email-matches"),
}


class IdentityProvider(AdminObject):
    """keycloak:oidc/identityProvider:IdentityProvider (pulumi-keycloak 6.14.1), by a secret that the state has."""

    token = "keycloak:oidc/identityProvider:IdentityProvider"
    fields = FIELDS
    properties = properties_of(
        FIELDS,
        realm=_REALM,
        clientSecret=Prop(str, secret=True),
        clientSecretWo=Prop(str, secret=True, write_only=True),
        clientSecretWoVersion=Prop(str),
        extraConfig=Prop(dict, of=str),
        internalId=Prop(str, output=True),
    )
    unsupported = frozenset({"clientSecretWo", "clientSecretWoVersion"})
    remembered = {"clientSecret": None, "clientSecretWo": None, "clientSecretWoVersion": None}
    meta = '{"schema_version":"1"}'

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realm"], "identity-provider", "instances"

    def locate(self, id: str) -> tuple[dict[str, Any], str] | None:
        realm, _, alias = id.partition("/")
        return ({"realm": realm}, alias) if alias else None

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        implied = {"enabled": True, "storeToken": True, "defaultScopes": "openid"}
        body = super().body(client, id, implied | inputs, None)
        if state is not None:
            body["internalId"] = state["internalId"]
        # An empty text is no setting to Keycloak, and it takes none for an address.
        config = {key: value for key, value in body[_C].items() if value != ""} | (inputs.get("extraConfig") or {})
        config["useJwksUrl"] = "true" if inputs.get("jwksUrl") else "false"
        if secret := inputs.get("clientSecret"):
            config["clientSecret"] = secret
        return {**body, _C: config}

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        config = representation.get(_C) or {}
        return {
            **super().told(client, representation, given),
            "realm": given["realm"],
            "internalId": representation["internalId"],
            "extraConfig": {key: config[key] for key in given.get("extraConfig") or {} if key in config},
        }


class CustomIdentityProviderMapping(AdminObject):
    """keycloak:index/customIdentityProviderMapping:CustomIdentityProviderMapping (pulumi-keycloak 6.14.1)."""

    token = "keycloak:index/customIdentityProviderMapping:CustomIdentityProviderMapping"
    fields = {
        "name": text(auto_name=True, replaces=True),
        "identityProviderAlias": text(required=True, replaces=True),
        "identityProviderMapper": text(required=True),
    }
    properties = properties_of(fields, realm=_REALM, extraConfig=Prop(dict, of=str))
    delete_before_replace = True
    import_format = "realm/provider's alias/mapper's id"

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realm"], "identity-provider", "instances", values["identityProviderAlias"], "mappers"

    def locate(self, id: str) -> tuple[dict[str, Any], str] | None:
        match id.split("/"):
            case [realm, alias, own]:
                return {"realm": realm, "identityProviderAlias": alias}, own
        return None

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, inputs, None)
        return {**body, "id": id or None, _C: inputs.get("extraConfig") or {}}

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        told = super().told(client, representation, given)
        return {**told, "realm": given["realm"], "extraConfig": representation.get(_C) or {}}
