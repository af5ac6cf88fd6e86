"""Directories: a realm's federation with one, and what of a person's entry becomes what in Keycloak.

keycloak/terraform-provider-keycloak v5.9.0: keycloak/ldap_user_federation.go, keycloak/ldap_*_mapper.go
"""

from collections.abc import Mapping
from typing import Any

from offline.providers.base import Prop
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.components import CONFIG, Component, choice, milliseconds, words
from offline.providers.keycloak.durations import from_seconds, same, to_seconds
from offline.providers.keycloak.fields import Field, flag, number, text
from offline.providers.keycloak.objects import REALM, properties_of

_MAPPER = "org.keycloak.storage.ldap.mappers.LDAPStorageMapper"

_VENDORS = {"OTHER": "other", "EDIRECTORY": "edirectory", "AD": "ad", "RHDS": "rhds", "TIVOLI": "tivoli"}
_SCOPES = {"ONE_LEVEL": "1", "SUBTREE": "2"}
_TRUSTSTORE = {"ALWAYS": "always", "ONLY_FOR_LDAPS": "ldapsOnly", "NEVER": "never"}
_EVERY = ("evictionDay", "evictionHour", "evictionMinute")


def _text(key: str, **options: Any) -> Field:
    return text(CONFIG, key, **options)


def _flag(key: str, **options: Any) -> Field:
    return flag(CONFIG, key, **options)


def _number(key: str, **options: Any) -> Field:
    return number(CONFIG, key, **options)


class UserFederation(Component):
    """keycloak:ldap/userFederation:UserFederation (pulumi-keycloak 6.14.1), without Kerberos."""

    token = "keycloak:ldap/userFederation:UserFederation"
    provider_id = "ldap"
    provider_type = "org.keycloak.storage.UserStorageProvider"
    fields = {
        **Component.fields,
        "enabled": _flag("enabled", implied=True),
        "priority": _number("priority"),
        "importEnabled": _flag("importEnabled", implied=True),
        "editMode": _text("editMode", implied="READ_ONLY"),
        "syncRegistrations": _flag("syncRegistrations"),
        "vendor": choice("vendor", _VENDORS, implied="OTHER"),
        "usernameLdapAttribute": _text("usernameLDAPAttribute", required=True),
        "rdnLdapAttribute": _text("rdnLDAPAttribute", required=True),
        "uuidLdapAttribute": _text("uuidLDAPAttribute", required=True),
        "userObjectClasses": words("userObjectClasses", required=True),
        "krbPrincipalAttribute": _text("krbPrincipalAttribute", computed=True, quiet=True),
        "connectionUrl": _text("connectionUrl", required=True),
        "usersDn": _text("usersDn", required=True),
        "relativeCreateDn": _text("relativeCreateDn"),
        "bindDn": _text("bindDn"),
        "customUserSearchFilter": _text("customUserSearchFilter"),
        "searchScope": choice("searchScope", _SCOPES, implied="ONE_LEVEL"),
        "startTls": _flag("startTls"),
        "usePasswordModifyExtendedOp": _flag("usePasswordModifyExtendedOp"),
        "validatePasswordPolicy": _flag("validatePasswordPolicy"),
        "trustEmail": _flag("trustEmail"),
        "useTruststoreSpi": choice("useTruststoreSpi", _TRUSTSTORE, implied="ALWAYS"),
        "connectionTimeout": milliseconds("connectionTimeout"),
        "readTimeout": milliseconds("readTimeout"),
        "connectionPooling": _flag("connectionPooling"),
        "pagination": _flag("pagination", implied=True),
        "batchSizeForSync": _number("batchSizeForSync", implied=1000),
        "fullSyncPeriod": _number("fullSyncPeriod", implied=-1),
        "changedSyncPeriod": _number("changedSyncPeriod", implied=-1),
        "debug": _text("debug", default="false"),
    }
    properties = properties_of(
        fields,
        realmId=REALM,
        bindCredential=Prop(str, secret=True),
        cache=Prop(
            dict,
            of={
                "policy": Prop(str),
                "maxLifespan": Prop(str),
                **{name: Prop(int) for name in _EVERY},
            },
        ),
        deleteDefaultMappers=Prop(bool, replaces=True),
        kerberos=Prop(dict),
    )
    remembered = {"bindCredential": None, "deleteDefaultMappers": False, "kerberos": None}
    unsupported = frozenset({"kerberos"})

    def create(self, client: AdminApi, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        id, outputs = super().create(client, inputs)
        if inputs.get("deleteDefaultMappers"):
            for mapper in client.get(inputs["realmId"], "components", parent=id, type=_MAPPER):
                client.delete(*self.parent(inputs), mapper["id"])
        return id, outputs

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        body = super().body(client, id, {**_implied(self.properties), **inputs}, state)
        if secret := inputs.get("bindCredential"):
            body[CONFIG] |= {"bindCredential": [secret]}
        body[CONFIG]["authType"] = ["simple" if secret else "none"]
        body[CONFIG] |= _cache_sent(inputs.get("cache") or {})
        return body

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        told = super().told(client, representation, given)
        return {**told, "cache": _cache_told(representation[CONFIG], given.get("cache"))}


def _implied(properties: Mapping[str, Prop]) -> dict[str, Any]:
    return {name: prop.implied for name, prop in properties.items() if isinstance(prop.implied, (str, int))}


def _cache_sent(cache: Mapping[str, Any]) -> dict[str, list[str]]:
    lifespan = cache.get("maxLifespan")
    return {
        "cachePolicy": [cache.get("policy") or "DEFAULT"],
        "maxLifespan": [str(1000 * to_seconds(lifespan))] if lifespan else [],
        **{name: [str(cache[name])] if cache.get(name) is not None else [] for name in _EVERY},
    }


def _cache_told(config: Mapping[str, list[str]], given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    policy = config.get("cachePolicy", ["DEFAULT"])[0]
    if policy == "DEFAULT":
        return None
    told: dict[str, Any] = {"policy": policy}
    if milliseconds := config.get("maxLifespan"):
        lifespan, said = from_seconds(int(milliseconds[0]) // 1000), (given or {}).get("maxLifespan")
        told["maxLifespan"] = said if said and same(said, lifespan) else lifespan
    return told | {name: int(config[name][0]) for name in _EVERY if name in config}


class _Mapper(Component):
    """A mapper of a federation's."""

    provider_type = _MAPPER

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        return super().body(client, id, inputs, state) | {"parentId": inputs["ldapUserFederationId"]}

    def told(self, client: AdminApi, representation: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        told = super().told(client, representation, given)
        return {**told, "ldapUserFederationId": representation["parentId"]}


def _mapper_properties(fields: Mapping[str, Field]) -> dict[str, Prop]:
    return properties_of(fields, realmId=REALM, ldapUserFederationId=Prop(str, required=True, replaces=True))


class UserAttributeMapper(_Mapper):
    """keycloak:ldap/userAttributeMapper:UserAttributeMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:ldap/userAttributeMapper:UserAttributeMapper"
    provider_id = "user-attribute-ldap-mapper"
    fields = {
        **Component.fields,
        "ldapAttribute": _text("ldap.attribute", required=True),
        "userModelAttribute": _text("user.model.attribute", required=True),
        "isMandatoryInLdap": _flag("is.mandatory.in.ldap"),
        "readOnly": _flag("read.only"),
        "alwaysReadValueFromLdap": _flag("always.read.value.from.ldap"),
        "isBinaryAttribute": _flag("is.binary.attribute"),
        "attributeDefaultValue": _text("attribute.default.value"),
        "attributeForceDefault": _flag("attribute.force.default", default=True),
    }
    properties = _mapper_properties(fields)


class GroupMapper(_Mapper):
    """keycloak:ldap/groupMapper:GroupMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:ldap/groupMapper:GroupMapper"
    provider_id = "group-ldap-mapper"
    fields = {
        **Component.fields,
        "ldapGroupsDn": _text("groups.dn", required=True),
        "groupNameLdapAttribute": _text("group.name.ldap.attribute", required=True),
        "groupObjectClasses": words("group.object.classes", required=True),
        "preserveGroupInheritance": _flag("preserve.group.inheritance", implied=True),
        "ignoreMissingGroups": _flag("ignore.missing.groups"),
        "membershipLdapAttribute": _text("membership.ldap.attribute", required=True),
        "membershipAttributeType": _text("membership.attribute.type", implied="DN"),
        "membershipUserLdapAttribute": _text("membership.user.ldap.attribute", required=True),
        "groupsLdapFilter": _text("groups.ldap.filter"),
        "mode": _text("mode", implied="READ_ONLY"),
        "userRolesRetrieveStrategy": _text("user.roles.retrieve.strategy", implied="LOAD_GROUPS_BY_MEMBER_ATTRIBUTE"),
        "memberofLdapAttribute": _text("memberof.ldap.attribute", implied="memberOf"),
        "mappedGroupAttributes": words("mapped.group.attributes"),
        "dropNonExistingGroupsDuringSync": _flag("drop.non.existing.groups.during.sync"),
        "groupsPath": _text("groups.path", computed=True),
    }
    properties = _mapper_properties(fields)

    def body(self, client: AdminApi, id: str, inputs: dict[str, Any], state: dict[str, Any] | None) -> dict[str, Any]:
        return super().body(client, id, {**_implied(self.properties), "groupsPath": "/", **inputs}, state)


class MsadUserAccountControlMapper(_Mapper):
    """keycloak:ldap/msadUserAccountControlMapper:MsadUserAccountControlMapper (pulumi-keycloak 6.14.1)."""

    token = "keycloak:ldap/msadUserAccountControlMapper:MsadUserAccountControlMapper"
    provider_id = "msad-user-account-control-mapper"
    fields = {
        **Component.fields,
        "ldapPasswordPolicyHintsEnabled": _flag("ldap.password.policy.hints.enabled"),
    }
    properties = _mapper_properties(fields)
