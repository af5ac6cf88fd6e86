"""Realms."""

from collections.abc import Callable

import pytest

from ..harness import Case, Plugin, Refused, live
from .world import REALM, World


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
            "ssoSessionMaxLifespan": "72h0m0s",
            "offlineSessionIdleTimeout": "720h0m0s",
            "passwordPolicy": "length(12)",
            "attributes": {"a": "3"},
            "securityDefenses": {
                "bruteForceDetection": {"maxLoginFailures": 5, "permanentLockout": True},
                "headers": {"xFrameOptions": "DENY"},
            },
        },
        replace={"realm": f"{name}-2"},
        drift=lambda made: edit(
            made.id,
            body={
                "bruteForceProtected": False,
                "ssoSessionIdleTimeout": 60,
                "offlineSessionIdleTimeout": 60,
                "passwordPolicy": "",
            },
        ),
        drifted={"securityDefenses", "ssoSessionIdleTimeout", "offlineSessionIdleTimeout", "passwordPolicy"},
        vanish=lambda made: plugin.client.delete(made.id),
        unimportable={"attributes", "securityDefenses"},
    )


LIVES = [_realm]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


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


def test_a_protected_realm_is_not_deleted(plugin: Plugin, world: World):
    inputs = {"realm": f"{world.realm}-kept", "terraformDeletionProtection": True}
    made = plugin.create(REALM, inputs)
    with pytest.raises(Refused, match="is protected: set terraformDeletionProtection to false"):
        plugin.delete(made)
    plugin.delete(plugin.update(made, {**inputs, "terraformDeletionProtection": False}))
