"""What a realm knows of other providers, and the flows of logins."""

from collections.abc import Callable
from typing import Any

import pytest

from ..harness import Case, Plugin, Resource, live
from .world import (
    BINDINGS,
    EXECUTION,
    EXECUTION_CONFIG,
    FLOW,
    IDENTITY_PROVIDER,
    PROVIDER_MAPPER,
    REALM,
    SUBFLOW,
    World,
)

_PROVIDER = {
    "clientId": "platform",
    "clientSecret": "provider-secret",
    "authorizationUrl": "https://id.example.org/authorize",
    "tokenUrl": "https://id.example.org/token",
}


def _flow(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "alias": "life"}
    at = (world.realm, "authentication", "flows")
    return Case(
        FLOW,
        inputs,
        update={**inputs, "alias": "another life", "description": "d"},
        replace={**inputs, "realmId": "other"},
        drift=lambda made: plugin.client.put(
            *at, made.id, body={**plugin.client.get(*at, made.id), "description": "edited"}
        ),
        drifted={"description"},
        vanish=lambda made: plugin.client.delete(*at, made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


def _subflow(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "parentFlowAlias": _parent(plugin, world), "alias": "a part of it"}
    return Case(
        SUBFLOW,
        {**inputs, "requirement": "ALTERNATIVE", "priority": 10},
        update={**inputs, "requirement": "CONDITIONAL", "priority": 20, "description": "d"},
        replace={**inputs, "parentFlowAlias": "other"},
        **_step_life(plugin, world, "flowId"),
    )


def _execution(plugin: Plugin, world: World) -> Case:
    parent = _parent(plugin, world)
    inputs = {"realmId": world.realm, "parentFlowAlias": parent, "authenticator": "idp-confirm-link"}
    return Case(
        EXECUTION,
        {**inputs, "requirement": "REQUIRED", "priority": 10},
        update={**inputs, "requirement": "DISABLED", "priority": 20},
        replace={**inputs, "authenticator": "auth-otp-form"},
        **_step_life(plugin, world, "id"),
    )


def _config(plugin: Plugin, world: World) -> Case:
    step = {"authenticator": "identity-provider-redirector", "requirement": "REQUIRED"}
    made = plugin.create(
        EXECUTION, {"realmId": world.realm, "parentFlowAlias": _parent(plugin, world), **step, "priority": 90}
    )
    inputs = {"realmId": world.realm, "executionId": made.id, "alias": "life", "config": {"defaultProvider": "one"}}
    at = (world.realm, "authentication", "config")
    return Case(
        EXECUTION_CONFIG,
        inputs,
        update={**inputs, "config": {"defaultProvider": "another"}},
        replace={**inputs, "alias": "another"},
        drift=lambda config: plugin.client.put(
            *at, config.id, body={**plugin.client.get(*at, config.id), "config": {"defaultProvider": "edited"}}
        ),
        drifted={"config"},
        vanish=lambda config: plugin.client.delete(*at, config.id),
        import_id=lambda config: f"{world.realm}/{made.id}/{config.id}",
    )


def _bindings(plugin: Plugin, world: World) -> Case:
    _parent(plugin, world)
    inputs = {"realmId": world.realm, "browserFlow": "of steps"}
    return Case(
        BINDINGS,
        inputs,
        update={"realmId": world.realm, "browserFlow": "of steps", "resetCredentialsFlow": "of steps"},
        replace={**inputs, "realmId": "other"},
        drift=lambda made: plugin.client.put(world.realm, body={"browserFlow": "browser"}),
        drifted={"browserFlow"},
        importable=False,
    )


def _provider(plugin: Plugin, world: World) -> Case:
    inputs = {"realm": world.realm, "alias": "life", **_PROVIDER}
    at = (world.realm, "identity-provider", "instances", "life")
    return Case(
        IDENTITY_PROVIDER,
        {**inputs, "storeToken": False, "syncMode": "FORCE", "extraConfig": {"clientAuthMethod": "client_secret_post"}},
        update={
            **inputs,
            "storeToken": False,
            "trustEmail": True,
            "displayName": "Life",
            "jwksUrl": "https://id.example.org/keys",
            "validateSignature": True,
            "defaultScopes": "openid email",
            "clientSecret": "another-secret",
        },
        replace={**inputs, "alias": "another"},
        drift=lambda made: plugin.client.put(*at, body={**plugin.client.get(*at), "trustEmail": False}),
        drifted={"trustEmail"},
        vanish=lambda made: plugin.client.delete(*at),
        import_id=lambda made: f"{world.realm}/life",
        unimportable={"clientSecret", "extraConfig"},
    )


def _mapper(plugin: Plugin, world: World) -> Case:
    shared = {"realm": world.realm, "alias": "shared", **_PROVIDER}
    if plugin.client.get(world.realm, "identity-provider", "instances", "shared") is None:
        plugin.create(IDENTITY_PROVIDER, shared)
    at = (world.realm, "identity-provider", "instances", "shared", "mappers")
    inputs = {"realm": world.realm, "identityProviderAlias": "shared", "name": "ML / Köln"}
    to_group = {**inputs, "identityProviderMapper": "oidc-advanced-group-idp-mapper"}
    config = {"claims": '[{"key":"groups","value":"ML / Köln"}]', "group": "/everyone", "syncMode": "FORCE"}
    edited = {**config, "group": "/others"}
    return Case(
        PROVIDER_MAPPER,
        {**to_group, "extraConfig": config},
        update={**to_group, "extraConfig": {"claims": config["claims"], "group": "/others"}},
        replace={**to_group, "name": "another", "extraConfig": config},
        drift=lambda made: plugin.client.put(
            *at, made.id, body={**plugin.client.get(*at, made.id), "config": {**edited, "group": "/"}}
        ),
        drifted={"extraConfig"},
        vanish=lambda made: plugin.client.delete(*at, made.id),
        import_id=lambda made: f"{world.realm}/shared/{made.id}",
    )


def _parent(plugin: Plugin, world: World) -> str:
    """The flow that steps are in, made once."""
    flows = plugin.client.get(world.realm, "authentication", "flows")
    if "of steps" not in [flow["alias"] for flow in flows]:
        plugin.create(FLOW, {"realmId": world.realm, "alias": "of steps"})
    return "of steps"


def _step_life(plugin: Plugin, world: World, key: str) -> dict[str, Any]:
    at = (world.realm, "authentication", "flows", "of steps", "executions")

    def step(made: Resource) -> dict[str, Any]:
        return next(step for step in plugin.client.get(*at) if step.get(key) == made.id)

    return {
        "drift": lambda made: plugin.client.put(*at, body={**step(made), "requirement": "ALTERNATIVE"}),
        "drifted": {"requirement"},
        "vanish": lambda made: plugin.client.delete(world.realm, "authentication", "executions", step(made)["id"]),
        "import_id": lambda made: f"{world.realm}/of steps/{made.id}",
    }


LIVES = [_flow, _subflow, _execution, _config, _bindings, _provider, _mapper]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_a_providers_secret_is_always_a_secret(plugin: Plugin, world: World):
    made = plugin.create(IDENTITY_PROVIDER, {"realm": world.realm, "alias": "secretive", **_PROVIDER})
    assert "clientSecret" in made.secrets
    plugin.delete(made)


def test_an_update_of_the_realm_undoes_bindings_that_its_state_does_not_know(plugin: Plugin, prefix: str):
    """As with the official plugin (pulumi-keycloak's issue 756), so that programs are tried with it."""
    realm = plugin.create(REALM, {"realm": f"{prefix}-bound"})
    try:
        plugin.create(FLOW, {"realmId": realm.id, "alias": "own"})
        plugin.create(BINDINGS, {"realmId": realm.id, "browserFlow": "own"})
        assert plugin.client.get(realm.id)["browserFlow"] == "own"
        realm = plugin.update(realm, {"realm": realm.id, "rememberMe": True})
        assert plugin.client.get(realm.id)["browserFlow"] == "browser"
    finally:
        plugin.delete(realm)
