"""keycloak:index/realm:Realm.

Defaults, what is sent at creation and what an update leaves alone: keycloak/terraform-provider-keycloak v5.9.0,
provider/resource_keycloak_realm.go; a PUT of a realm changes what it names and leaves the rest (seen on 26.4.7).
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import Prop, ProviderError
from offline.providers.checks import with_defaults
from offline.providers.keycloak import mail
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.fields import Field, decode, duration, encode, flag, number, text
from offline.providers.keycloak.flows import BUILT_IN, bound
from offline.providers.keycloak.objects import AdminObject, properties_of

_ON = {"computed": True}
_QUIET = {"quiet": True}
_SERVER = {"computed": True, "quiet": True}

FIELDS: dict[str, Field] = {
    "enabled": flag(default=True),
    "displayName": text(computed=True),
    "displayNameHtml": text(computed=True),
    "userManagedAccess": flag("userManagedAccessAllowed"),
    "organizationsEnabled": flag(**_QUIET),
    "adminPermissionsEnabled": flag(**_QUIET),
    "registrationAllowed": flag(**_ON),
    "registrationEmailAsUsername": flag(**_ON),
    "editUsernameAllowed": flag(**_ON),
    "resetPasswordAllowed": flag(**_ON),
    "rememberMe": flag(**_ON),
    "verifyEmail": flag(**_ON),
    "loginWithEmailAllowed": flag(**_ON),
    "duplicateEmailsAllowed": flag(**_ON),
    "sslRequired": text(default="external"),
    "loginTheme": text(**_QUIET),
    "accountTheme": text(**_QUIET),
    "adminTheme": text(**_QUIET),
    "emailTheme": text(**_QUIET),
    "defaultSignatureAlgorithm": text(),
    "revokeRefreshToken": flag(),
    "refreshTokenMaxReuse": number(),
    "ssoSessionIdleTimeout": duration(),
    "ssoSessionMaxLifespan": duration(),
    "ssoSessionIdleTimeoutRememberMe": duration(),
    "ssoSessionMaxLifespanRememberMe": duration(),
    "offlineSessionIdleTimeout": duration(),
    "offlineSessionMaxLifespan": duration(),
    "offlineSessionMaxLifespanEnabled": flag(**_QUIET),
    "clientSessionIdleTimeout": duration(),
    "clientSessionMaxLifespan": duration(),
    "accessTokenLifespan": duration(),
    "accessTokenLifespanForImplicitFlow": duration(),
    "accessCodeLifespan": duration(),
    "accessCodeLifespanLogin": duration(),
    "accessCodeLifespanUserAction": duration(),
    "actionTokenGeneratedByUserLifespan": duration(),
    "actionTokenGeneratedByAdminLifespan": duration(),
    "oauth2DeviceCodeLifespan": duration(),
    "oauth2DevicePollingInterval": number(**_SERVER),
    "passwordPolicy": text(),
    **{name: text(**_SERVER) for name in BUILT_IN},
}


_HEADERS: dict[str, Field] = {
    "contentSecurityPolicy": text(default="frame-src 'self'; frame-ancestors 'self'; object-src 'none';"),
    "contentSecurityPolicyReportOnly": text(),
    "referrerPolicy": text(default="no-referrer"),
    "strictTransportSecurity": text(default="max-age=31536000; includeSubDomains"),
    "xContentTypeOptions": text(default="nosniff"),
    "xFrameOptions": text(default="SAMEORIGIN"),
    "xRobotsTag": text(default="none"),
    "xXssProtection": text("xXSSProtection", default="1; mode=block"),
}
_BRUTE_FORCE: dict[str, Field] = {
    "permanentLockout": flag(),
    "bruteForceStrategy": text(default="MULTIPLE"),
    "maxTemporaryLockouts": number(),
    "maxLoginFailures": number("failureFactor", default=30),
    "waitIncrementSeconds": number(default=60),
    "quickLoginCheckMilliSeconds": number(default=1000),
    "minimumQuickLoginWaitSeconds": number(default=60),
    "maxFailureWaitSeconds": number(default=900),
    "failureResetTimeSeconds": number("maxDeltaTimeSeconds", default=43200),
}
_DEFENSES = {
    "headers": Prop(dict, of=properties_of(_HEADERS)),
    "bruteForceDetection": Prop(dict, of=properties_of(_BRUTE_FORCE)),
}

_OTP = ("type", "algorithm", "digits", "initialCounter", "lookAheadWindow", "period", "codeReusable")
_WEB_AUTHN = {
    "acceptableAaguids": "AcceptableAaguids",
    "attestationConveyancePreference": "AttestationConveyancePreference",
    "authenticatorAttachment": "AuthenticatorAttachment",
    "avoidSameAuthenticatorRegister": "AvoidSameAuthenticatorRegister",
    "createTimeout": "CreateTimeout",
    "extraOrigins": "ExtraOrigins",
    "relyingPartyEntityName": "RpEntityName",
    "relyingPartyId": "RpId",
    "requireResidentKey": "RequireResidentKey",
    "signatureAlgorithms": "SignatureAlgorithms",
    "userVerificationRequirement": "UserVerificationRequirement",
}
_SHOWN = ("otpPolicy", "webAuthnPolicy", "webAuthnPasswordlessPolicy")
_NEVER_SET: dict[str, Any] = {
    "internationalization": None,
    "defaultDefaultClientScopes": [],
    "defaultOptionalClientScopes": [],
}


class Realm(AdminObject):
    """keycloak:index/realm:Realm (pulumi-keycloak 6.14.1), without locales and second-factor policies."""

    token = "keycloak:index/realm:Realm"
    fields = FIELDS
    properties = properties_of(
        FIELDS,
        realm=Prop(str, auto_name=True, replaces=True),
        internalId=Prop(str, computed=True, replaces=True),
        attributes=Prop(dict, of=str),
        securityDefenses=Prop(dict, of=_DEFENSES),
        smtpServer=Prop(dict, of=mail.SERVER),
        terraformDeletionProtection=Prop(bool),
        **{name: Prop(dict, computed=True) for name in _SHOWN},
        **{name: Prop(list if value == [] else dict) for name, value in _NEVER_SET.items()},
    )
    delete_before_replace = True
    remembered = {"terraformDeletionProtection": False, **_NEVER_SET}
    unsupported = frozenset({*_SHOWN, *_NEVER_SET})
    import_format = "realm"

    def parent(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        return ()

    def locate(self, id: str) -> tuple[dict[str, Any], str] | None:
        return ({"realm": id}, id) if "/" not in id else None

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, inputs, state) | {"realm": inputs["realm"]}
        if state is None:
            body |= {"id": inputs.get("internalId") or inputs["realm"], "attributes": inputs.get("attributes", {})}
        else:
            body |= bound(inputs, state)
        if state and (inputs.get("attributes") or state.get("attributes")):
            body["attributes"] = _merged(
                client.get(id)["attributes"], state.get("attributes"), inputs.get("attributes")
            )
        if state is None or inputs.get("securityDefenses") or state.get("securityDefenses"):
            body |= _defenses(inputs.get("securityDefenses") or {})
        if state is None or inputs.get("smtpServer") or state.get("smtpServer"):
            body["smtpServer"] = mail.sent(inputs.get("smtpServer"))
        return body

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        live = representation.get("attributes") or {}
        return {
            **super().told(client, representation, given),
            "realm": representation["realm"],
            "internalId": representation["id"],
            # Keycloak keeps attributes of its own among these; only what the program set is the program's.
            "attributes": {key: live[key] for key in given.get("attributes") or {} if key in live},
            "smtpServer": mail.told(representation.get("smtpServer"), given.get("smtpServer")),
            "securityDefenses": _told_defenses(representation, given.get("securityDefenses")),
            "otpPolicy": {name: representation[f"otpPolicy{name[0].upper()}{name[1:]}"] for name in _OTP},
            "webAuthnPolicy": _web_authn(representation, "webAuthnPolicy"),
            "webAuthnPasswordlessPolicy": {
                **_web_authn(representation, "webAuthnPolicyPasswordless"),
                "passwordlessPasskeysEnabled": representation.get("webAuthnPolicyPasswordlessPasskeysEnabled", False),
            },
        }

    def delete(self, client: AdminApi, id: str, state: dict[str, Any]) -> None:
        if state.get("terraformDeletionProtection"):
            raise ProviderError(
                f"Realm {id} is protected: set terraformDeletionProtection to false first, then delete it."
            )
        super().delete(client, id, state)


def _merged(live: Mapping[str, str], old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> dict[str, str]:
    """The attributes to send: a PUT drops what it does not name, Keycloak's own included."""
    return {key: value for key, value in live.items() if key not in (old or {})} | dict(new or {})


def _defenses(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be sent for the block; a part that is left out goes back to Keycloak's defaults."""
    complete = with_defaults({"headers": {}, "bruteForceDetection": {}, **wanted}, _DEFENSES)
    return {
        "browserSecurityHeaders": encode(_HEADERS, complete["headers"], None),
        "bruteForceProtected": "bruteForceDetection" in wanted,
        **encode(_BRUTE_FORCE, complete["bruteForceDetection"], None),
    }


def _told_defenses(representation: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The block as the official plugin tells it: only where the program has one, headers only where it names them."""
    if not given:
        return None
    told = {}
    if given.get("headers"):
        told["headers"] = decode(_HEADERS, representation["browserSecurityHeaders"], {})
    if representation["bruteForceProtected"]:
        told["bruteForceDetection"] = decode(_BRUTE_FORCE, representation, {})
    return told or None


def _web_authn(representation: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    told = {name: representation[f"{prefix}{suffix}"] for name, suffix in _WEB_AUTHN.items()}
    return {**told, "discoverableCredential": "not specified"}  # Keycloak has it from 26.7 on
