"""What the tests of the keycloak stand-in have in common: its types, a realm with something in it, plugins."""

import copy
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_keycloak as keycloak

from offline.providers.keycloak import PROVIDER

from ..harness import Plugin

REALM = "keycloak:index/realm:Realm"
EVENTS = "keycloak:index/realmEvents:RealmEvents"
CLIENT = "keycloak:openid/client:Client"
SCOPE = "keycloak:openid/clientScope:ClientScope"
DEFAULT_SCOPES = "keycloak:openid/clientDefaultScopes:ClientDefaultScopes"
OPTIONAL_SCOPES = "keycloak:openid/clientOptionalScopes:ClientOptionalScopes"
ATTRIBUTE_MAPPER = "keycloak:openid/userAttributeProtocolMapper:UserAttributeProtocolMapper"
GROUP_MAPPER = "keycloak:openid/groupMembershipProtocolMapper:GroupMembershipProtocolMapper"
AUDIENCE_MAPPER = "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper"
GROUP = "keycloak:index/group:Group"
MEMBERS = "keycloak:index/groupMemberships:GroupMemberships"
GROUP_ROLES = "keycloak:index/groupRoles:GroupRoles"
USER_GROUPS = "keycloak:index/userGroups:UserGroups"
USER = "keycloak:index/user:User"
FLOW = "keycloak:authentication/flow:Flow"
SUBFLOW = "keycloak:authentication/subflow:Subflow"
BINDINGS = "keycloak:authentication/bindings:Bindings"
EXECUTION = "keycloak:authentication/execution:Execution"
EXECUTION_CONFIG = "keycloak:authentication/executionConfig:ExecutionConfig"
IDENTITY_PROVIDER = "keycloak:oidc/identityProvider:IdentityProvider"
PROVIDER_MAPPER = "keycloak:index/customIdentityProviderMapping:CustomIdentityProviderMapping"
LOCALIZATION = "keycloak:index/realmLocalization:RealmLocalization"
FEDERATION = "keycloak:ldap/userFederation:UserFederation"
DIRECTORY_ATTRIBUTE_MAPPER = "keycloak:ldap/userAttributeMapper:UserAttributeMapper"
DIRECTORY_GROUP_MAPPER = "keycloak:ldap/groupMapper:GroupMapper"
ACCOUNT_CONTROL_MAPPER = "keycloak:ldap/msadUserAccountControlMapper:MsadUserAccountControlMapper"

BUILT_IN_SCOPES = ["acr", "basic", "email", "profile", "roles", "web-origins"]


@dataclass(frozen=True)
class World:
    """What the types of a realm stand on, made once. `program` is a client with a user of its own."""

    realm: str
    client: str
    program: str
    scope: str
    group: str
    other_group: str


def configured(**arguments: Any) -> Plugin:
    """A plugin of its own configuration."""
    return Plugin(copy.copy(PROVIDER), arguments)


def administrator(config: dict[str, Any]) -> keycloak.Provider:
    """For a program, by the configuration of the stand-in."""
    return keycloak.Provider(
        "admin",
        url=config["url"],
        client_id=config["clientId"],
        username=config["username"],
        password=pulumi.Output.secret(config["password"]),
        initial_login=False,
    )
