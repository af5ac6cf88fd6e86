"""Realms."""

from collections.abc import Callable

import pytest

from ..harness import Case, Plugin, Refused, live
from .world import EVENTS, REALM, World


def _realm(plugin: Plugin, world: World) -> Case:
    name, edit = f"{world.realm}-life", plugin.client.put
    return Case(
        REALM,
        {
            "realm": name,
            "displayName": "A",
            "accessTokenLifespan": "5m",
            "attributes": {"a": "1", "b": "2"},
            "smtpServer": {"host": "mail.example.org", "from": "a@example.org", "starttls": True},
        },
        update={
            "realm": name,
            "enabled": False,
            "loginWithEmailAllowed": True,
            "ssoSessionIdleTimeout": "8h0m0s",
            "ssoSessionMaxLifespan": "72h0m0s",
            "offlineSessionIdleTimeout": "720h0m0s",
            "passwordPolicy": "length(12)",
            "resetPasswordAllowed": True,
            "verifyEmail": True,
            "smtpServer": {
                "host": "mail.example.org",
                "port": "465",
                "from": "a@example.org",
                "fromDisplayName": "A",
                "ssl": True,
                "auth": {"username": "mlflow", "password": "smtp-secret"},
            },
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
                "smtpServer": {"host": "mail.example.net", "from": "a@example.org"},
            },
        ),
        drifted={
            "securityDefenses",
            "ssoSessionIdleTimeout",
            "offlineSessionIdleTimeout",
            "passwordPolicy",
            "smtpServer",
        },
        vanish=lambda made: plugin.client.delete(made.id),
        unimportable={"attributes", "securityDefenses"},
    )


def _events(plugin: Plugin, world: World) -> Case:
    edit = plugin.client.put
    inputs = {"realmId": world.realm, "eventsEnabled": True, "eventsListeners": ["jboss-logging"]}
    return Case(
        EVENTS,
        {**inputs, "eventsExpiration": 3600, "adminEventsEnabled": True},
        update={**inputs, "eventsExpiration": 7200, "enabledEventTypes": ["LOGOUT", "LOGIN"]},
        replace={"realmId": f"{world.realm}-2"},
        drift=lambda made: edit(world.realm, "events", "config", body={"eventsEnabled": False, "eventsExpiration": 0}),
        drifted={"eventsEnabled", "eventsExpiration"},
        importable=False,  # for it is never gone
    )


LIVES = [_realm, _events]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_an_update_of_a_realm_leaves_others_attributes_alone(plugin: Plugin, world: World):
    made = plugin.create(REALM, {"realm": f"{world.realm}-attributes", "attributes": {"mine": "1"}})
    live = plugin.client.get(made.id)
    plugin.client.put(made.id, body={"attributes": {**live["attributes"], "theirs": "2"}})

    made = plugin.update(made, {"realm": made.id, "displayName": "Changed", "attributes": {"mine": "3"}})

    live = plugin.client.get(made.id)
    assert live["displayName"] == "Changed"
    assert (live["attributes"]["mine"], live["attributes"]["theirs"]) == ("3", "2")
    assert made.outputs["attributes"] == {"mine": "3"}
    plugin.delete(made)


def test_a_protected_realm_is_not_deleted(plugin: Plugin, world: World):
    inputs = {"realm": f"{world.realm}-kept", "terraformDeletionProtection": True}
    made = plugin.create(REALM, inputs)
    with pytest.raises(Refused, match="is protected: set terraformDeletionProtection to false"):
        plugin.delete(made)
    plugin.delete(plugin.update(made, {**inputs, "terraformDeletionProtection": False}))


def test_a_realm_keeps_events_for_as_long_as_it_is_told_and_its_own_updates_change_nothing_of_that(
    plugin: Plugin, world: World
):
    name = f"{world.realm}-events"
    attributes = {"adminEventsExpiration": "7200"}
    realm = plugin.create(REALM, {"realm": name, "attributes": attributes})
    events = plugin.create(
        EVENTS,
        {
            "realmId": name,
            "eventsEnabled": True,
            "eventsExpiration": 3600,
            "eventsListeners": ["jboss-logging"],
            "adminEventsEnabled": True,
        },
    )
    assert events.outputs["enabledEventTypes"] is None and events.outputs["adminEventsDetailsEnabled"] is False

    realm = plugin.update(realm, {"realm": name, "displayName": "Changed", "attributes": attributes})

    live = plugin.client.get(name)
    assert (live["eventsEnabled"], live["eventsExpiration"], live["adminEventsEnabled"]) == (True, 3600, True)
    assert (live["eventsListeners"], live["attributes"]["adminEventsExpiration"]) == (["jboss-logging"], "7200")
    assert plugin.diff(events, events.inputs, checked=True).paths == {}

    plugin.delete(events)
    live = plugin.client.get(name)
    assert (live["eventsEnabled"], live["adminEventsEnabled"]) == (False, False)
    with pytest.raises(Refused, match="There is no realm nowhere to keep events of"):
        plugin.create(EVENTS, {"realmId": "nowhere", "eventsEnabled": True})
    plugin.delete(realm)
