"""keycloak:openid/client:Client.

Attribute names, defaults and what an update leaves alone: keycloak/terraform-provider-keycloak v5.9.0,
keycloak/openid_client.go and provider/resource_keycloak_openid_client.go.
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import CheckError, Prop, ProviderError
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, encode, flag, strings, text
from offline.providers.keycloak.objects import AdminObject, properties_of
from offline.providers.values import UNKNOWN

_SERVER = {"computed": True, "quiet": True}
_A = "attributes"

FIELDS: dict[str, Field] = {
    "clientId": text(auto_name=True),
    "name": text(auto_name=True),
    "enabled": flag(default=True),
    "description": text(computed=True),
    "clientAuthenticatorType": text(default="client-secret"),
    "standardFlowEnabled": flag(computed=True),
    "implicitFlowEnabled": flag(computed=True),
    "directAccessGrantsEnabled": flag(computed=True),
    "serviceAccountsEnabled": flag(computed=True),
    "frontchannelLogoutEnabled": flag("frontchannelLogout", computed=True),
    "fullScopeAllowed": flag(default=True),
    "consentRequired": flag(computed=True),
    "alwaysDisplayInConsole": flag(),
    "validRedirectUris": strings("redirectUris", computed=True),
    "webOrigins": strings(computed=True),
    "validPostLogoutRedirectUris": strings(_A, "post.logout.redirect.uris", **_SERVER),
    "rootUrl": text(**_SERVER),
    "adminUrl": text(computed=True),
    "baseUrl": text(computed=True),
    "pkceCodeChallengeMethod": text(_A, "pkce.code.challenge.method"),
    "requireDpopBoundTokens": flag(_A, "dpop.bound.access.tokens", **_SERVER),
    "accessTokenLifespan": text(_A, "access.token.lifespan", computed=True),
    "clientOfflineSessionIdleTimeout": text(_A, "client.offline.session.idle.timeout", **_SERVER),
    "clientOfflineSessionMaxLifespan": text(_A, "client.offline.session.max.lifespan", **_SERVER),
    "clientSessionIdleTimeout": text(_A, "client.session.idle.timeout", **_SERVER),
    "clientSessionMaxLifespan": text(_A, "client.session.max.lifespan", **_SERVER),
    "displayOnConsentScreen": flag(_A, "display.on.consent.screen", computed=True),
    "consentScreenText": text(_A, "consent.screen.text", computed=True),
    "loginTheme": text(_A, "login_theme", computed=True),
    "useRefreshTokens": flag(_A, "use.refresh.tokens", default=True),
    "useRefreshTokensClientCredentials": flag(_A, "client_credentials.use_refresh_token"),
    "standardTokenExchangeEnabled": flag(_A, "standard.token.exchange.enabled", quiet=True),
    "allowRefreshTokenInStandardTokenExchange": text(
        _A, "standard.token.exchange.enableRefreshRequestedTokenType", quiet=True
    ),
    "frontchannelLogoutUrl": text(_A, "frontchannel.logout.url", computed=True),
    "backchannelLogoutUrl": text(_A, "backchannel.logout.url", computed=True),
    "backchannelLogoutSessionRequired": flag(_A, "backchannel.logout.session.required", default=True),
    "backchannelLogoutRevokeOfflineSessions": flag(_A, "backchannel.logout.revoke.offline.tokens"),
    "oauth2DeviceAuthorizationGrantEnabled": flag(_A, "oauth2.device.authorization.grant.enabled"),
    "oauth2DeviceCodeLifespan": text(_A, "oauth2.device.code.lifespan", quiet=True),
    "oauth2DevicePollingInterval": text(_A, "oauth2.device.polling.interval", quiet=True),
    "oauth2JwtAuthorizationGrantEnabled": flag(_A, "oauth2.jwt.authorization.grant.enabled"),
    "oauth2JwtAuthorizationGrantIdp": text(_A, "oauth2.jwt.authorization.grant.idp", quiet=True),
}

# Sent but never read back, as by the official plugin: its state holds what the program said, or null.
_NOT_READ = {
    "excludeSessionStateFromAuthResponse": flag(_A, "exclude.session.state.from.auth.response", computed=True),
    "excludeIssuerFromAuthResponse": flag(_A, "exclude.issuer.from.auth.response", computed=True),
}

_PLAIN = {field.path[0] if field.path else name for name, field in FIELDS.items() if field.path[:1] != (_A,)}
_ACCESS_TYPES = ("CONFIDENTIAL", "PUBLIC", "BEARER-ONLY")
_PKCE_METHODS = ("", "plain", "S256")


class Client(AdminObject):
    """keycloak:openid/client:Client (pulumi-keycloak 6.14.1), without authorization services and secret rotation."""

    token = "keycloak:openid/client:Client"
    fields = FIELDS
    properties = properties_of(
        FIELDS | _NOT_READ,
        realmId=Prop(str, required=True, replaces=True),
        accessType=Prop(str, required=True),
        clientSecret=Prop(str, computed=True, secret=True),
        extraConfig=Prop(dict, of=str),
        serviceAccountUserId=Prop(str, output=True, volatile="serviceAccountsEnabled"),
        resourceServerId=Prop(str, output=True),
        clientSecretWo=Prop(str, secret=True, write_only=True),
        clientSecretWoVersion=Prop(str),
        clientSecretRegenerateWhenChanged=Prop(dict, of=str),
        authenticationFlowBindingOverrides=Prop(dict),
        authorization=Prop(dict),
        **{"import": Prop(bool, replaces=True)},
    )
    unsupported = frozenset(
        {
            "clientSecretWo",
            "clientSecretWoVersion",
            "clientSecretRegenerateWhenChanged",
            "authenticationFlowBindingOverrides",
            "authorization",
            "import",
        }
    )
    remembered = {**dict.fromkeys([*_NOT_READ, *unsupported, "resourceServerId"]), "import": False}
    delete_before_replace = True
    meta = '{"schema_version":"1"}'

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return values["realmId"], "clients"

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        inputs = super().check(inputs)
        _one_of("accessType", inputs, _ACCESS_TYPES)
        _one_of("pkceCodeChallengeMethod", inputs, _PKCE_METHODS)
        taken = sorted({field.path[1] for field in FIELDS.values() if field.path[:1] == (_A,)} & _keys(inputs))
        if taken:
            raise CheckError("extraConfig", f"'extraConfig' must not hold {taken[0]!r}: there is an input for it")
        return inputs

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        _refuse_contradictions(inputs)
        body = encode(FIELDS | _NOT_READ, inputs, state) | {
            "protocol": "openid-connect",
            "publicClient": inputs["accessType"] == "PUBLIC",
            "bearerOnly": inputs["accessType"] == "BEARER-ONLY",
        }
        old, new = (state or {}).get("extraConfig") or {}, inputs.get("extraConfig") or {}
        body.setdefault(_A, {}).update(dict.fromkeys(old, "") | new)  # an empty attribute is removed
        if state is not None:
            # A PUT resets some of what it does not name (web origins, frontchannel logout: seen on 26.4.7).
            live = client.get(*self.parent(inputs), id) or {}
            body = {key: live[key] for key in _PLAIN if key in live} | body
        # Only a secret that the program changed is sent: one that was rotated since must not be put back by the way.
        if inputs.get("clientSecret") and inputs["clientSecret"] != (state or {}).get("clientSecret"):
            body["secret"] = inputs["clientSecret"]
        return body

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        at = (*self.parent(given), representation["id"])
        secret = client.get(*at, "client-secret") or {}
        account = client.get(*at, "service-account-user") if representation["serviceAccountsEnabled"] else None
        public, bearer = representation["publicClient"], representation["bearerOnly"]
        attributes = representation.get(_A) or {}
        return {
            **super().told(client, representation, given),
            "clientId": representation["clientId"],
            "accessType": "PUBLIC" if public else "BEARER-ONLY" if bearer else "CONFIDENTIAL",
            "clientSecret": secret.get("value", ""),
            "serviceAccountUserId": account["id"] if account else "",
            "extraConfig": {key: attributes[key] for key in given.get("extraConfig") or {} if key in attributes},
        }


def _keys(inputs: Mapping[str, Any]) -> set[str]:
    extra = inputs.get("extraConfig")
    return set(extra) if isinstance(extra, Mapping) else set()


def _one_of(name: str, inputs: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    value = inputs.get(name)
    if value not in (None, UNKNOWN, *allowed):
        raise CheckError(name, f"'{name}' must be one of {', '.join(filter(None, allowed))}, not {value!r}")


def _refuse_contradictions(inputs: Mapping[str, Any]) -> None:
    """What the official plugin refuses as well; Keycloak itself would take it."""
    redirects = bool(inputs.get("standardFlowEnabled") or inputs.get("implicitFlowEnabled"))
    named = f"Client {inputs['clientId']}"
    if redirects and not inputs.get("validRedirectUris"):
        raise ProviderError(f"{named}: the standard and implicit flows need at least one of validRedirectUris.")
    if not redirects and inputs.get("validRedirectUris"):
        raise ProviderError(f"{named}: validRedirectUris need the standard or the implicit flow; enable one.")
    if not redirects and not inputs.get("directAccessGrantsEnabled") and inputs.get("webOrigins"):
        raise ProviderError(f"{named}: webOrigins need the standard or the implicit flow; enable one.")
    if inputs["accessType"] == "PUBLIC" and inputs.get("serviceAccountsEnabled"):
        raise ProviderError(f"{named}: a PUBLIC client cannot have a service account; make it CONFIDENTIAL.")
    if inputs["accessType"] == "PUBLIC" and inputs.get("standardTokenExchangeEnabled"):
        raise ProviderError(f"{named}: a PUBLIC client cannot exchange tokens; make it CONFIDENTIAL.")
    if inputs["accessType"] == "BEARER-ONLY" and (redirects or inputs.get("serviceAccountsEnabled")):
        raise ProviderError(f"{named}: a BEARER-ONLY client gets no tokens; disable its flows.")
