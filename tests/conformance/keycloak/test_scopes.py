"""Client scopes and what they put into tokens."""

from collections.abc import Callable
from typing import Any

import pytest

from ..harness import Case, Plugin, Refused, Resource, live
from .world import ATTRIBUTE_MAPPER, AUDIENCE_MAPPER, GROUP_MAPPER, SCOPE, World


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


LIVES = [_scope, _attribute_mapper, _group_mapper, _audience_mapper]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_a_mapper_that_cannot_be_renamed_says_so(plugin: Plugin, world: World):
    inputs = {"realmId": world.realm, "clientId": world.client, "userAttribute": "a", "claimName": "a"}
    made = plugin.create(ATTRIBUTE_MAPPER, {**inputs, "name": "old"})
    with pytest.raises(Refused, match="cannot rename mapper 'old' to 'new'"):
        plugin.update(made, {**inputs, "name": "new"})
    plugin.delete(made)
