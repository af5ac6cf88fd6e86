"""The provider as a whole: what it refuses, what it compares, and that no type is left out."""

from typing import Any

import pytest

from offline.providers.keycloak import PROVIDER
from offline.providers.values import UNKNOWN

from ..harness import Plugin, Refused
from . import test_brokers, test_clients, test_federations, test_people, test_realm, test_scopes
from .world import (
    ATTRIBUTE_MAPPER,
    AUDIENCE_MAPPER,
    BUILT_IN_SCOPES,
    CLIENT,
    DEFAULT_SCOPES,
    EVENTS,
    FEDERATION,
    GROUP,
    GROUP_MAPPER,
    MEMBERS,
    OPTIONAL_SCOPES,
    REALM,
    SCOPE,
    USER,
    World,
    configured,
)

DIRECTORY = test_federations.DIRECTORY
LIVES = [
    *test_realm.LIVES,
    *test_clients.LIVES,
    *test_scopes.LIVES,
    *test_people.LIVES,
    *test_federations.LIVES,
    *test_brokers.LIVES,
]


def test_every_type_has_a_life_here(plugin: Plugin, world: World):
    assert {case(plugin, world).token for case in LIVES} == set(PROVIDER.types)


@pytest.mark.parametrize(
    ("token", "id", "suffix"),
    [
        (DEFAULT_SCOPES, "{realm}/{client}", {"defaultScopes": BUILT_IN_SCOPES}),
        (MEMBERS, "{realm}/group-memberships/{group}", {"members": []}),
    ],
)
def test_a_list_is_imported_as_it_is(plugin: Plugin, world: World, token: str, id: str, suffix: dict[str, Any]):
    plugin.delete(plugin.create(GROUP, {"realmId": world.realm, "name": "unrelated"}))
    if token == DEFAULT_SCOPES:
        arguments = {"realmId": world.realm, "clientId": world.client, "defaultScopes": BUILT_IN_SCOPES}
        plugin.create(DEFAULT_SCOPES, arguments)
    found = plugin.imported(token, id.format(**vars(world)))
    assert found is not None
    assert found.outputs | suffix == found.outputs


@pytest.mark.parametrize(
    ("token", "replacing", "delete_first"),
    [
        (REALM, {"realm", "internalId"}, True),
        (EVENTS, {"realmId"}, False),
        (CLIENT, {"realmId", "import"}, True),
        (SCOPE, {"realmId"}, True),
        (DEFAULT_SCOPES, {"realmId", "clientId"}, False),
        (OPTIONAL_SCOPES, {"realmId", "clientId"}, False),
        (ATTRIBUTE_MAPPER, {"realmId", "clientId", "clientScopeId"}, True),
        (GROUP_MAPPER, {"realmId", "clientId", "clientScopeId", "name"}, True),
        (AUDIENCE_MAPPER, {"realmId", "clientId", "clientScopeId"}, True),
        (GROUP, {"realmId", "parentId", "organizationId"}, True),
        (MEMBERS, {"realmId", "groupId"}, False),
        (USER, {"realmId", "username", "import"}, False),
    ],
)
def test_what_replaces_is_what_replaces_with_the_official_plugin(token: str, replacing: set[str], delete_first: bool):
    type_ = PROVIDER.types[token]
    assert {name for name, prop in type_.properties.items() if prop.replaces} == replacing
    assert type_.delete_before_replace == delete_first


def test_a_preview_asks_no_server():
    absent = configured(url="http://127.0.0.1:1", clientId="admin-cli", initialLogin="false")
    planned = absent.preview(CLIENT, {"realmId": UNKNOWN, "clientId": "c", "accessType": "CONFIDENTIAL"})
    assert planned["clientSecret"] == UNKNOWN
    assert absent.preview(REALM, {"realm": "r", "accessTokenLifespan": UNKNOWN})["internalId"] == UNKNOWN


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("offline.providers.keycloak.api.START_PATIENCE", 0)
    absent = configured(url="http://127.0.0.1:1", clientId="admin-cli", username="u", password="p")
    with pytest.raises(Refused, match=r"Keycloak at http://127\.0\.0\.1:1 does not answer .*refused"):
        absent.create(REALM, {"realm": "r"})


def test_wrong_credentials_are_named_and_not_shown(config: dict[str, Any]):
    wrong = configured(**config | {"password": "not-the-password"})
    with pytest.raises(Refused, match="refused the login of 'admin'") as refusal:
        wrong.create(REALM, {"realm": "r"})
    assert "not-the-password" not in str(refusal.value)


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (REALM, {"accessTokenLifespan": "5 minutes"}, "'5 minutes' is not a duration"),
        (REALM, {"otpPolicy": {"digits": 8}}, "'otpPolicy' is not supported by the offline engine"),
        (REALM, {"smtpServer": {"host": "h"}}, "'from' is required"),
        (FEDERATION, {"realmId": "r", **DIRECTORY, "readTimeout": "10"}, "'10' is not a duration"),
        (FEDERATION, {"realmId": "r", **DIRECTORY, "kerberos": {}}, "'kerberos' is not supported"),
        (REALM, {"securityDefenses": {"headers": {"xFrame": "DENY"}}}, "did you mean 'xFrameOptions'"),
        (CLIENT, {"realmId": "r", "accessType": "SECRET"}, "must be one of CONFIDENTIAL, PUBLIC, BEARER-ONLY"),
        (CLIENT, {"realmId": "r"}, "'accessType' is required"),
        (CLIENT, {"realmId": "r", "accessType": "PUBLIC", "extraConfig": {"login_theme": "x"}}, "there is an input"),
        (GROUP_MAPPER, {"realmId": "r", "claimName": "c"}, "exactly one of 'clientId' and 'clientScopeId'"),
        (AUDIENCE_MAPPER, {"realmId": "r", "clientId": "c"}, "exactly one of 'includedClientAudience'"),
        (USER, {"realmId": "r", "username": "Alice"}, "all lower case"),
        (MEMBERS, {"realmId": "r", "groupId": "g", "members": ["Alice"]}, "lower-case user names"),
        (USER, {"realmId": "r", "username": "a", "federatedIdentities": []}, "not supported"),
    ],
)
def test_wrong_inputs_are_named(token: str, inputs: dict[str, Any], reason: str):
    with pytest.raises(Refused, match=reason):
        configured().check(token, inputs)


def test_equal_durations_and_reordered_lists_do_not_differ(plugin: Plugin, world: World):
    realm = plugin.create(REALM, {"realm": f"{world.realm}-same", "accessTokenLifespan": "300s"})
    assert realm.outputs["accessTokenLifespan"] == "5m0s"
    assert plugin.diff(realm, {"realm": realm.id, "accessTokenLifespan": "5m"}).kind == "none"
    plugin.delete(realm)
    members = {"realmId": world.realm, "groupId": world.group, "members": ["bob", "alice"]}
    made = plugin.create(MEMBERS, members)
    assert made.outputs["members"] == ["bob", "alice"]
    assert plugin.diff(made, {**members, "members": ["alice", "bob"]}).kind == "none"
    plugin.delete(made)


def test_contradictions_and_missing_things_are_named(plugin: Plugin, world: World):
    client = {"realmId": world.realm, "clientId": "wrong", "accessType": "PUBLIC"}
    scopes = {"realmId": world.realm, "clientId": world.client, "defaultScopes": ["nowhere"]}
    mapper = {"realmId": world.realm, "clientScopeId": world.scope, "includedClientAudience": "nobody"}
    members = {"realmId": world.realm, "groupId": world.group, "members": ["nobody"]}
    for token, inputs, reason in (
        (CLIENT, {**client, "standardFlowEnabled": True}, "need at least one of validRedirectUris"),
        (CLIENT, {**client, "serviceAccountsEnabled": True}, "cannot have a service account"),
        (DEFAULT_SCOPES, scopes, "has no client scope 'nowhere'"),
        (AUDIENCE_MAPPER, mapper, "has no client 'nobody'"),
        (MEMBERS, members, "has no user 'nobody'"),
        (USER, {"realmId": world.realm, "username": "alice"}, "User exists with same username"),
    ):
        with pytest.raises(Refused, match=reason):
            plugin.create(token, inputs)
