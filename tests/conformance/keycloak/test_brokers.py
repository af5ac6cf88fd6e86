"""What a realm knows of other providers, and the flows of logins."""

from collections.abc import Callable
from typing import Any

import pytest

from ..harness import Case, Plugin, Resource, live
from .world import EXECUTION, FLOW, IDENTITY_PROVIDER, PROVIDER_MAPPER, SUBFLOW, World

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


LIVES = [_flow, _subflow, _execution, _provider, _mapper]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_a_providers_secret_is_always_a_secret(plugin: Plugin, world: World):
    made = plugin.create(IDENTITY_PROVIDER, {"realm": world.realm, "alias": "secretive", **_PROVIDER})
    assert "clientSecret" in made.secrets
    plugin.delete(made)
