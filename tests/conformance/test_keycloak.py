"""The keycloak stand-in against a Keycloak of its own: every type's life, the traps, and a stack under the real CLI."""

import copy
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pulumi
import pulumi_keycloak as keycloak
import pytest

from offline.providers.base import ProviderError
from offline.providers.keycloak import PROVIDER
from offline.providers.values import UNKNOWN

from .harness import Case, Plugin, Refused, Resource, live
from .stacks import Stack

STARTING = 240.0

REALM = "keycloak:index/realm:Realm"
CLIENT = "keycloak:openid/client:Client"
SCOPE = "keycloak:openid/clientScope:ClientScope"
DEFAULT_SCOPES = "keycloak:openid/clientDefaultScopes:ClientDefaultScopes"
OPTIONAL_SCOPES = "keycloak:openid/clientOptionalScopes:ClientOptionalScopes"
ATTRIBUTE_MAPPER = "keycloak:openid/userAttributeProtocolMapper:UserAttributeProtocolMapper"
GROUP_MAPPER = "keycloak:openid/groupMembershipProtocolMapper:GroupMembershipProtocolMapper"
AUDIENCE_MAPPER = "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper"
GROUP = "keycloak:index/group:Group"
MEMBERS = "keycloak:index/groupMemberships:GroupMemberships"
USER = "keycloak:index/user:User"

BUILT_IN_SCOPES = ["acr", "basic", "email", "profile", "roles", "web-origins"]


@pytest.fixture(scope="module")
def config(local_image: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The provider's arguments for a Keycloak that lives as long as these tests."""
    password = secrets.token_hex(12)
    environment = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": password}
    anywhere: Any = ("127.0.0.1", None)
    container = docker.from_env().containers.run(
        local_image("keycloak"),
        ["start-dev", "--db=dev-mem"],  # in memory, so that no database is needed
        environment=environment,
        ports={"8080/tcp": anywhere},
        mem_limit="1g",
        labels={"mlflow-platform.test": "conformance"},
        detach=True,
    )
    try:
        container.reload()
        port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
        url = f"http://127.0.0.1:{port}"
        arguments = {"url": url, "clientId": "admin-cli", "username": "admin", "password": password}
        _wait_for_admin_api(arguments)
        yield arguments
    finally:
        container.remove(force=True, v=True)


def _wait_for_admin_api(arguments: dict[str, Any]) -> None:
    """Discovery answers before the admin API does."""
    give_up = time.monotonic() + STARTING
    while True:
        try:
            return _configured(**arguments).client.get("master")
        except ProviderError:
            if time.monotonic() > give_up:
                raise


def _configured(**arguments: Any) -> Plugin:
    """A plugin of its own configuration beside the one that all tests share."""
    return Plugin(copy.copy(PROVIDER), arguments)


@pytest.fixture(scope="module")
def plugin(config: dict[str, Any]) -> Plugin:
    return _configured(**config)


@dataclass(frozen=True)
class World:
    """What the types of a realm stand on, made once."""

    realm: str
    client: str
    scope: str
    group: str


@pytest.fixture(scope="module")
def world(plugin: Plugin, prefix: str) -> World:
    realm = plugin.create(REALM, {"realm": prefix}).id
    client = plugin.create(CLIENT, {"realmId": realm, "clientId": "audience", "accessType": "CONFIDENTIAL"})
    scope = plugin.create(SCOPE, {"realmId": realm, "name": "access"})
    group = plugin.create(GROUP, {"realmId": realm, "name": "everyone"})
    for name in ("alice", "bob"):
        plugin.create(USER, {"realmId": realm, "username": name})
    return World(realm, client.id, scope.id, group.id)


def _realm(plugin: Plugin, world: World) -> Case:
    name, edit = f"{world.realm}-life", plugin.client.put
    return Case(
        REALM,
        {"realm": name, "displayName": "A", "accessTokenLifespan": "5m", "attributes": {"a": "1", "b": "2"}},
        update={
            "realm": name,
            "enabled": False,
            "loginWithEmailAllowed": True,
            "ssoSessionIdleTimeout": "8h0m0s",
            "passwordPolicy": "length(12)",
            "attributes": {"a": "3"},
            "securityDefenses": {
                "bruteForceDetection": {"maxLoginFailures": 5, "permanentLockout": True},
                "headers": {"xFrameOptions": "DENY"},
            },
        },
        replace={"realm": f"{name}-2"},
        drift=lambda made: edit(
            made.id, body={"bruteForceProtected": False, "ssoSessionIdleTimeout": 60, "passwordPolicy": ""}
        ),
        drifted={"securityDefenses", "ssoSessionIdleTimeout", "passwordPolicy"},
        vanish=lambda made: plugin.client.delete(made.id),
        unimportable={"attributes", "securityDefenses"},
    )


def _client(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientId": "life", "accessType": "CONFIDENTIAL"}
    full = {
        **inputs,
        "standardFlowEnabled": True,
        "validRedirectUris": ["http://localhost:1/a", "http://localhost:1/b"],
        "validPostLogoutRedirectUris": ["http://localhost:1/out"],
        "webOrigins": ["http://localhost:1"],
        "pkceCodeChallengeMethod": "S256",
        "extraConfig": {"custom": "x"},
    }
    return Case(
        CLIENT,
        full,
        update={**inputs, "description": "d", "serviceAccountsEnabled": True, "standardFlowEnabled": False},
        replace={**inputs, "realmId": "other"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "clients", made.id), body={"enabled": False, "description": "edited"}
        ),
        drifted={"enabled", "description"},
        vanish=lambda made: plugin.client.delete(world.realm, "clients", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
        unimportable={"extraConfig"},
    )


def _scope(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "name": "life"}
    return Case(
        SCOPE,
        {**inputs, "consentScreenText": "May I?", "guiOrder": 3, "extraConfig": {"custom": "x"}},
        update={**inputs, "includeInTokenScope": False, "description": "d"},
        replace={**inputs, "realmId": "other"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "client-scopes", made.id), body={"name": "edited", "attributes": {}}
        ),
        drifted={"name"},
        vanish=lambda made: plugin.client.delete(world.realm, "client-scopes", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
        unimportable={"extraConfig"},
    )


def _default_scopes(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientId": world.client}
    return Case(
        DEFAULT_SCOPES,
        {**inputs, "defaultScopes": ["roles", "basic", "access"]},
        update={**inputs, "defaultScopes": ["web-origins", "basic"]},
        replace={**inputs, "clientId": "other", "defaultScopes": ["basic"]},
        drift=lambda made: plugin.client.put(
            *(world.realm, "clients", world.client, "default-client-scopes", world.scope)
        ),
        drifted={"defaultScopes"},
        importable=False,  # the list outlives the resource: see the test of its own
    )


def _optional_scopes(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientId": world.client}

    def detach(made: Resource) -> None:
        ids = {scope["name"]: scope["id"] for scope in plugin.client.get(world.realm, "client-scopes")}
        plugin.client.delete(world.realm, "clients", world.client, "optional-client-scopes", ids["phone"])

    return Case(
        OPTIONAL_SCOPES,
        {**inputs, "optionalScopes": ["offline_access", "phone"]},
        update={**inputs, "optionalScopes": ["phone", "address"]},
        replace={**inputs, "clientId": "other", "optionalScopes": []},
        drift=detach,
        drifted={"optionalScopes"},
        importable=False,
    )


def _attribute_mapper(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "name": "policy", "userAttribute": "policy", "claimName": "policy"}
    of_scope = {**inputs, "clientScopeId": world.scope}
    return Case(
        ATTRIBUTE_MAPPER,
        {**of_scope, "aggregateAttributes": True, "multivalued": True},
        update={**of_scope, "addToIdToken": False, "claimName": "rights"},
        replace={**inputs, "clientId": world.client},
        **_mapper_life(plugin, world, "claimName", {"claim.name": "edited"}),
    )


def _group_mapper(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientScopeId": world.scope, "name": "groups", "claimName": "groups"}
    return Case(
        GROUP_MAPPER,
        {**inputs, "fullPath": False},
        update={**inputs, "fullPath": True, "addToTokenIntrospection": True},
        replace={**inputs, "name": "other"},
        **_mapper_life(plugin, world, "fullPath", {"full.path": "false"}),
    )


def _audience_mapper(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientScopeId": world.scope, "name": "aud"}
    return Case(
        AUDIENCE_MAPPER,
        {**inputs, "includedClientAudience": "audience", "addToIdToken": False},
        update={**inputs, "includedCustomAudience": "https://example.org"},
        replace={**inputs, "includedCustomAudience": "x", "clientScopeId": "other"},
        **_mapper_life(plugin, world, "includedCustomAudience", {"included.custom.audience": "edited"}),
    )


def _mapper_life(plugin: Plugin, world: World, drifted: str, config: dict[str, str]) -> dict[str, Any]:
    at = (world.realm, "client-scopes", world.scope, "protocol-mappers", "models")

    def drift(made: Resource) -> None:
        live = plugin.client.get(*at, made.id)
        plugin.client.put(*at, made.id, body={**live, "config": {**live["config"], **config}})

    return {
        "drift": drift,
        "drifted": {drifted},
        "vanish": lambda made: plugin.client.delete(*at, made.id),
        "import_id": lambda made: f"{world.realm}/client-scope/{world.scope}/{made.id}",
    }


def _group(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "name": "life", "parentId": world.group}
    return Case(
        GROUP,
        {**inputs, "attributes": {"policy": "readwrite##diagnostics"}, "description": "d"},
        update={**inputs, "name": "renamed", "attributes": {"policy": "readonly"}},
        replace={"realmId": world.realm, "name": "life"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "groups", made.id), body={"name": "renamed", "attributes": {"policy": ["consoleAdmin"]}}
        ),
        drifted={"attributes"},
        vanish=lambda made: plugin.client.delete(world.realm, "groups", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


def _members(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "groupId": world.group}

    def leave(made: Resource) -> None:
        bob = plugin.client.get(world.realm, "users", username="bob", exact="true")[0]["id"]
        plugin.client.delete(world.realm, "users", bob, "groups", world.group)

    return Case(
        MEMBERS,
        {**inputs, "members": ["alice"]},
        update={**inputs, "members": ["bob"]},
        replace={**inputs, "groupId": "other", "members": ["bob"]},
        drift=leave,
        drifted={"members"},
        importable=False,
    )


def _user(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "username": "carol", "initialPassword": {"value": "pw", "temporary": False}}
    return Case(
        USER,
        {**inputs, "email": "c@example.org", "emailVerified": True, "firstName": "C"},
        update={**inputs, "lastName": "Z", "enabled": False, "requiredActions": ["UPDATE_PASSWORD"]},
        replace={**inputs, "username": "dave"},
        drift=lambda made: plugin.client.put(
            *(world.realm, "users", made.id), body={"enabled": True, "lastName": "edited"}
        ),
        drifted={"enabled", "lastName"},
        vanish=lambda made: plugin.client.delete(world.realm, "users", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


LIVES = [
    _realm,
    _client,
    _scope,
    _default_scopes,
    _optional_scopes,
    _attribute_mapper,
    _group_mapper,
    _audience_mapper,
    _group,
    _members,
    _user,
]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


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
    absent = _configured(url="http://127.0.0.1:1", clientId="admin-cli", initialLogin="false")
    planned = absent.preview(CLIENT, {"realmId": UNKNOWN, "clientId": "c", "accessType": "CONFIDENTIAL"})
    assert planned["clientSecret"] == UNKNOWN
    assert absent.preview(REALM, {"realm": "r", "accessTokenLifespan": UNKNOWN})["internalId"] == UNKNOWN


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("offline.providers.keycloak.api.START_PATIENCE", 0)
    absent = _configured(url="http://127.0.0.1:1", clientId="admin-cli", username="u", password="p")
    with pytest.raises(Refused, match=r"Keycloak at http://127\.0\.0\.1:1 does not answer .*refused"):
        absent.create(REALM, {"realm": "r"})


def test_wrong_credentials_are_named_and_not_shown(config: dict[str, Any]):
    wrong = _configured(**config | {"password": "not-the-password"})
    with pytest.raises(Refused, match="refused the login of 'admin'") as refusal:
        wrong.create(REALM, {"realm": "r"})
    assert "not-the-password" not in str(refusal.value)


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (REALM, {"accessTokenLifespan": "5 minutes"}, "'5 minutes' is not a duration"),
        (REALM, {"smtpServer": {"host": "h"}}, "'smtpServer' is not supported by the offline engine"),
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
        _configured().check(token, inputs)


def test_names_are_generated_and_replaced_ones_are_deleted_first(plugin: Plugin, world: World):
    made = plugin.create(GROUP, {"realmId": world.realm})
    assert made.inputs["name"].startswith("res-")
    assert plugin.diff(made, {"realmId": "other"}).kind == "replace (delete first)"
    plugin.delete(made)


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


def test_a_secret_that_was_rotated_is_not_put_back_by_another_change(plugin: Plugin, world: World):
    inputs = {"realmId": world.realm, "clientId": "rotated", "accessType": "CONFIDENTIAL"}
    made = plugin.create(CLIENT, {**inputs, "clientSecret": "first"})
    at = (world.realm, "clients", made.id)
    plugin.client.put(*at, body={**plugin.client.get(*at), "secret": "rotated"})

    made = plugin.update(made, {**inputs, "clientSecret": "first", "description": "d"})
    assert plugin.client.get(*at, "client-secret")["value"] == made.outputs["clientSecret"] == "rotated"
    assert plugin.diff(made, {**inputs, "clientSecret": "first", "description": "d"}).roots == {"clientSecret"}

    made = plugin.update(made, {**inputs, "clientSecret": "second"})
    assert plugin.client.get(*at, "client-secret")["value"] == "second"
    assert "clientSecret" in made.secrets
    plugin.delete(made)


def test_an_update_of_a_client_leaves_alone_what_the_program_does_not_name(plugin: Plugin, world: World):
    inputs = {"realmId": world.realm, "clientId": "left-alone", "accessType": "PUBLIC", "standardFlowEnabled": True}
    inputs["validRedirectUris"] = ["http://localhost:1/a"]
    made = plugin.create(CLIENT, inputs)
    at = (world.realm, "clients", made.id)
    before = plugin.client.get(*at)
    plugin.update(made, {**inputs, "description": "d"})
    after = plugin.client.get(*at)
    assert {key: value for key, value in after.items() if before.get(key) != value} == {"description": "d"}
    plugin.delete(made)


def test_an_update_of_a_realm_leaves_flow_bindings_and_others_attributes_alone(plugin: Plugin, world: World):
    made = plugin.create(REALM, {"realm": f"{world.realm}-flows", "attributes": {"mine": "1"}})
    flows = plugin.client.get(made.id, "authentication", "flows")
    copy = {"newName": "own browser"}
    plugin.client.create(made.id, "authentication", "flows", "browser", "copy", body=copy)
    live = plugin.client.get(made.id)
    body = {"browserFlow": "own browser", "attributes": {**live["attributes"], "theirs": "2"}}
    plugin.client.put(made.id, body=body)

    made = plugin.update(made, {"realm": made.id, "displayName": "Changed", "attributes": {"mine": "3"}})

    live = plugin.client.get(made.id)
    assert (live["browserFlow"], live["displayName"]) == ("own browser", "Changed")
    assert (live["attributes"]["mine"], live["attributes"]["theirs"]) == ("3", "2")
    assert made.outputs["attributes"] == {"mine": "3"}
    assert len(flows) > 0
    plugin.delete(made)


def test_a_mapper_that_cannot_be_renamed_says_so(plugin: Plugin, world: World):
    inputs = {"realmId": world.realm, "clientId": world.client, "userAttribute": "a", "claimName": "a"}
    made = plugin.create(ATTRIBUTE_MAPPER, {**inputs, "name": "old"})
    with pytest.raises(Refused, match="cannot rename mapper 'old' to 'new'"):
        plugin.update(made, {**inputs, "name": "new"})
    plugin.delete(made)


def test_a_protected_realm_is_not_deleted(plugin: Plugin, world: World):
    inputs = {"realm": f"{world.realm}-kept", "terraformDeletionProtection": True}
    made = plugin.create(REALM, inputs)
    with pytest.raises(Refused, match="is protected: set terraformDeletionProtection to false"):
        plugin.delete(made)
    plugin.delete(plugin.update(made, {**inputs, "terraformDeletionProtection": False}))


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


def test_a_user_whose_password_is_refused_leaves_nothing_behind(plugin: Plugin, world: World):
    realm = plugin.create(REALM, {"realm": f"{world.realm}-strict", "passwordPolicy": "length(12)"})
    inputs = {"realmId": realm.id, "username": "erin", "initialPassword": {"value": "short"}}
    with pytest.raises(Refused, match=r"(?i)password") as refusal:
        plugin.create(USER, inputs)
    assert "short" not in str(refusal.value)
    made = plugin.create(USER, {**inputs, "initialPassword": {"value": "quite long enough"}})
    assert plugin.diff(made, {**inputs, "initialPassword": {"value": "another"}}).kind == "none"
    plugin.delete(realm)


def test_a_stack_comes_up_stays_still_and_goes(config: dict[str, Any], prefix: str, pulumi_stack: Callable[..., Stack]):
    password, client_secret = f"pw-{secrets.token_hex(8)}", f"cs-{secrets.token_hex(8)}"

    def program() -> None:
        provider = keycloak.Provider(
            "admin",
            url=config["url"],
            client_id=config["clientId"],
            username=config["username"],
            password=pulumi.Output.secret(config["password"]),
            initial_login=False,
        )
        _declare(prefix, pulumi.ResourceOptions(provider=provider), password, client_secret)

    stack = pulumi_stack(program)
    assert stack.up()["create"] == 13
    assert stack.up() == {"same": 13}
    assert stack.refresh() == {"same": 13}
    assert stack.preview() == {"same": 13}
    state = "".join(path.read_text() for path in (stack.directory / "backend").rglob("*.json"))
    assert f"{prefix}-stack" in state
    generated = stack.outputs()
    for secret in (password, client_secret, config["password"], *generated.values()):
        assert secret not in state
    stack.destroy()
    assert _configured(**config).client.get(f"{prefix}-stack") is None


def _declare(prefix: str, opts: pulumi.ResourceOptions, password: str, client_secret: str) -> None:
    """One of everything, related as in the platform."""
    realm = keycloak.Realm(
        "realm",
        realm=f"{prefix}-stack",
        enabled=True,
        sso_session_idle_timeout="8h",
        security_defenses=keycloak.RealmSecurityDefensesArgs(
            brute_force_detection=keycloak.RealmSecurityDefensesBruteForceDetectionArgs(max_login_failures=10)
        ),
        opts=opts,
    )
    server = keycloak.openid.Client(
        "server",
        realm_id=realm.id,
        client_id="server",
        access_type="CONFIDENTIAL",
        client_secret=pulumi.Output.secret(client_secret),
        standard_flow_enabled=True,
        valid_redirect_uris=["http://localhost:5000/callback", "http://localhost:5000/other"],
        opts=opts,
    )
    job = keycloak.openid.Client(
        "job",
        realm_id=realm.id,
        client_id="job",
        access_type="CONFIDENTIAL",
        service_accounts_enabled=True,
        opts=opts,
    )
    pulumi.export("job_secret", job.client_secret)
    scope = keycloak.openid.ClientScope("scope", realm_id=realm.id, name="access", opts=opts)
    of_scope: dict[str, Any] = {"realm_id": realm.id, "client_scope_id": scope.id, "opts": opts}
    keycloak.openid.UserAttributeProtocolMapper(
        "policy", user_attribute="policy", claim_name="policy", multivalued=True, aggregate_attributes=True, **of_scope
    )
    keycloak.openid.GroupMembershipProtocolMapper("groups", claim_name="groups", full_path=False, **of_scope)
    keycloak.openid.AudienceProtocolMapper("aud", included_client_audience=server.client_id, **of_scope)
    keycloak.openid.ClientDefaultScopes(
        "scopes",
        realm_id=realm.id,
        client_id=server.id,
        default_scopes=[*BUILT_IN_SCOPES, scope.name],
        opts=opts,
    )
    group = keycloak.Group("group", realm_id=realm.id, attributes={"policy": "readwrite##diagnostics"}, opts=opts)
    user = keycloak.User(
        "user",
        realm_id=realm.id,
        username="frank",
        email="frank@example.org",
        initial_password=keycloak.UserInitialPasswordArgs(value=pulumi.Output.secret(password)),
        opts=opts,
    )
    keycloak.GroupMemberships("members", realm_id=realm.id, group_id=group.id, members=[user.username], opts=opts)
