"""Clients, and which scopes they have."""

from collections.abc import Callable

import pytest

from ..harness import Case, Plugin, Resource, live
from .world import CLIENT, DEFAULT_SCOPES, OPTIONAL_SCOPES, World


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


def _told_of_logouts(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientId": "told", "accessType": "CONFIDENTIAL"}
    at = (world.realm, "clients")

    def redirect(made: Resource) -> None:
        live = plugin.client.get(*at, made.id)
        attributes = {**live["attributes"], "backchannel.logout.url": "http://elsewhere/"}
        plugin.client.put(*at, made.id, body={**live, "attributes": attributes, "frontchannelLogout": True})

    return Case(
        CLIENT,
        {
            **inputs,
            "frontchannelLogoutEnabled": False,
            "backchannelLogoutUrl": "http://mlflow:5000/oidc/backchannel-logout",
            "backchannelLogoutSessionRequired": True,
        },
        update={
            **inputs,
            "frontchannelLogoutEnabled": False,
            "backchannelLogoutUrl": "http://mlflow:5000/other",
            "backchannelLogoutSessionRequired": False,
            "backchannelLogoutRevokeOfflineSessions": True,
            "directAccessGrantsEnabled": True,
        },
        replace={**inputs, "realmId": "other"},
        drift=redirect,
        drifted={"backchannelLogoutUrl", "frontchannelLogoutEnabled"},
        vanish=lambda made: plugin.client.delete(*at, made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
    )


def _service_client(plugin: Plugin, world: World) -> Case:
    inputs = {
        "realmId": world.realm,
        "clientId": "service",
        "accessType": "CONFIDENTIAL",
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
    }
    at = (world.realm, "clients")
    return Case(
        CLIENT,
        inputs,
        update={**inputs, "description": "d"},
        replace={**inputs, "realmId": "other"},
        drift=lambda made: plugin.client.put(*at, made.id, body={"directAccessGrantsEnabled": True}),
        drifted={"directAccessGrantsEnabled"},
        vanish=lambda made: plugin.client.delete(*at, made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
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


def _no_optional_scopes(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "clientId": world.program}
    at = (world.realm, "clients", world.program, "optional-client-scopes")
    return Case(
        OPTIONAL_SCOPES,
        {**inputs, "optionalScopes": []},
        update={**inputs, "optionalScopes": ["offline_access"]},
        drift=lambda made: plugin.client.put(*at, world.scope),
        drifted={"optionalScopes"},
        importable=False,
    )


LIVES = [_client, _told_of_logouts, _service_client, _default_scopes, _optional_scopes, _no_optional_scopes]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


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


def test_keycloak_gives_a_service_client_its_own_scope_at_every_update_so_a_list_has_to_name_it(
    plugin: Plugin, world: World
):
    inputs = {"realmId": world.realm, "clientId": "scoped", "accessType": "CONFIDENTIAL"}
    client = plugin.create(CLIENT, {**inputs, "serviceAccountsEnabled": True})
    lists = {"realmId": world.realm, "clientId": client.id, "defaultScopes": ["basic", "service_account"]}
    made = plugin.create(DEFAULT_SCOPES, lists)
    at = (world.realm, "clients", client.id, "default-client-scopes")
    (own,) = (scope["id"] for scope in plugin.client.get(*at) if scope["name"] == "service_account")
    plugin.client.delete(*at, own)
    assert plugin.diff(_refreshed(plugin, made), lists).roots == {"defaultScopes"}
    plugin.update(client, {**inputs, "serviceAccountsEnabled": True, "description": "d"})
    assert plugin.diff(_refreshed(plugin, made), lists).kind == "none"
    plugin.delete(client)


def _refreshed(plugin: Plugin, made: Resource) -> Resource:
    found = plugin.refresh(made)
    assert found is not None
    return found
