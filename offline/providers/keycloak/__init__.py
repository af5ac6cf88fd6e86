"""A stand-in for pulumi-keycloak 6.14.1 on Keycloak's admin REST API; one module for each sort of object."""

from typing import Any

from offline.providers.base import Prop, StandIn
from offline.providers.keycloak.api import AdminApi
from offline.providers.keycloak.brokers import CustomIdentityProviderMapping, IdentityProvider
from offline.providers.keycloak.clients import Client
from offline.providers.keycloak.events import RealmEvents
from offline.providers.keycloak.flows import Bindings, Execution, ExecutionConfig, Flow, Subflow
from offline.providers.keycloak.groups import Group, GroupMemberships, UserGroups
from offline.providers.keycloak.ldap import (
    GroupMapper,
    MsadUserAccountControlMapper,
    UserAttributeMapper,
    UserFederation,
)
from offline.providers.keycloak.localization import RealmLocalization
from offline.providers.keycloak.mappers import (
    AudienceProtocolMapper,
    GroupMembershipProtocolMapper,
    UserAttributeProtocolMapper,
)
from offline.providers.keycloak.realm import Realm
from offline.providers.keycloak.roles import GroupRoles
from offline.providers.keycloak.scopes import ClientDefaultScopes, ClientOptionalScopes, ClientScope
from offline.providers.keycloak.users import User

CONFIG = {
    "url": Prop(str),
    "basePath": Prop(str),
    "clientId": Prop(str),
    "clientSecret": Prop(str, secret=True),
    "username": Prop(str),
    "password": Prop(str, secret=True),
    "realm": Prop(str),
    "initialLogin": Prop(bool),
    "clientTimeout": Prop(int),
}


def connect(config: dict[str, Any]) -> AdminApi:
    """Logs in; `initialLogin` changes nothing here, as no login is made before it is needed."""
    return AdminApi(config)


PROVIDER = StandIn(
    "keycloak",
    "6.14.1",
    [
        Realm(),
        RealmEvents(),
        RealmLocalization(),
        Client(),
        ClientScope(),
        ClientDefaultScopes(),
        ClientOptionalScopes(),
        UserAttributeProtocolMapper(),
        GroupMembershipProtocolMapper(),
        AudienceProtocolMapper(),
        Group(),
        GroupMemberships(),
        GroupRoles(),
        UserGroups(),
        User(),
        UserFederation(),
        UserAttributeMapper(),
        GroupMapper(),
        MsadUserAccountControlMapper(),
        Flow(),
        Subflow(),
        Execution(),
        ExecutionConfig(),
        Bindings(),
        IdentityProvider(),
        CustomIdentityProviderMapping(),
    ],
    connect=connect,
    config=CONFIG,
)
