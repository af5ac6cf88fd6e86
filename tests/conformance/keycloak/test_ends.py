"""What Keycloak's own clean-up deletes, which runs every quarter of an hour: events and sessions that have ended."""

import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import httpx
import pytest

from offline.providers.base import ProviderError

from ..harness import Plugin
from .world import CLIENT, EVENTS, REALM, USER, configured

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # a Keycloak of its own

SECONDS = 40
STARTING = 600.0  # start-dev builds Keycloak first


@pytest.fixture(scope="module")
def hasty(local_image: Callable[[str], str]) -> Iterator[Plugin]:
    """A Keycloak that cleans up every two seconds."""
    password = secrets.token_hex(12)
    anywhere: Any = ("127.0.0.1", None)
    container = docker.from_env().containers.run(
        local_image("keycloak"),
        ["start-dev", "--db=dev-mem"],
        environment={
            "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
            "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
            "KC_SPI_SCHEDULED_INTERVAL": "2",
        },
        ports={"8080/tcp": anywhere},
        mem_limit="1g",
        labels={"mlflow-platform.test": "conformance"},
        detach=True,
    )
    try:
        container.reload()
        url = f"http://127.0.0.1:{container.attrs['NetworkSettings']['Ports']['8080/tcp'][0]['HostPort']}"
        plugin = configured(url=url, clientId="admin-cli", username="admin", password=password)
        deadline = time.monotonic() + STARTING
        while True:
            try:
                plugin.client.get("master")
                break
            except ProviderError:
                assert time.monotonic() < deadline
        yield plugin
    finally:
        container.remove(force=True, v=True)


def test_events_of_logins_and_of_administrators_end_and_so_do_sessions(hasty: Plugin):
    attributes = {"adminEventsExpiration": str(SECONDS)}
    lifespans = {"ssoSessionIdleTimeout": f"{SECONDS}s", "ssoSessionMaxLifespan": f"{SECONDS}s"}
    hasty.create(REALM, {"realm": "r", "enabled": True, "attributes": attributes, **lifespans})
    hasty.create(
        EVENTS,
        {
            "realmId": "r",
            "eventsEnabled": True,
            "eventsExpiration": SECONDS,
            "eventsListeners": ["jboss-logging"],
            "adminEventsEnabled": True,
        },
    )
    client = hasty.create(
        CLIENT, {"realmId": "r", "clientId": "c", "accessType": "PUBLIC", "directAccessGrantsEnabled": True}
    )
    person = {"firstName": "A", "lastName": "L", "email": "ada@example.org"}
    hasty.create(USER, {"realmId": "r", "username": "ada", **person, "initialPassword": {"value": "a-password"}})
    grant = {"grant_type": "password", "client_id": "c", "username": "ada", "password": "a-password"}
    token = f"{hasty.client._url}/realms/r/protocol/openid-connect/token"
    assert httpx.post(token, data=grant, trust_env=False).status_code == 200
    assert httpx.post(token, data={**grant, "password": "wrong"}, trust_env=False).status_code == 400

    assert {event["type"] for event in hasty.client.get("r", "events")} == {"LOGIN", "LOGIN_ERROR"}
    assert {event["resourceType"] for event in hasty.client.get("r", "admin-events")} >= {"CLIENT", "USER"}
    assert len(hasty.client.get("r", "clients", client.id, "user-sessions")) == 1

    def left() -> list[Any]:
        sessions = hasty.client.get("r", "clients", client.id, "user-sessions")
        return [*hasty.client.get("r", "events"), *hasty.client.get("r", "admin-events"), *sessions]

    deadline = time.monotonic() + 480  # a session is kept for three minutes more than it may be idle
    while left() and time.monotonic() < deadline:
        time.sleep(2)
    assert left() == []
