"""A Keycloak that lives as long as these tests, and a realm on it."""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest

from offline.providers.base import ProviderError
from tests.authority import Pair
from tests.authority import authority as new_authority

from ..containers import archive
from ..harness import Plugin
from .world import CLIENT, GROUP, REALM, SCOPE, USER, World, configured

STARTING = 600.0  # start-dev builds Keycloak first
AUTHORITIES = "/opt/keycloak/conf/authorities.pem"


@dataclass(frozen=True)
class Server:
    """A Keycloak: the provider's arguments for it, and the address at which it finds this machine."""

    arguments: dict[str, Any]
    machine: str


@pytest.fixture(scope="session")
def authority() -> Pair:
    """Whose certificates Keycloak believes, as `trusted_authorities` makes it."""
    return new_authority()


@pytest.fixture(scope="session")
def server(local_image: Callable[[str], str], authority: Pair) -> Iterator[Server]:
    """A Keycloak that lives as long as these tests."""
    password = secrets.token_hex(12)
    environment = {"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": password}
    anywhere: Any = ("127.0.0.1", None)
    container = docker.from_env().containers.create(
        local_image("keycloak"),
        ["start-dev", "--db=dev-mem", f"--truststore-paths={AUTHORITIES}"],  # in memory: no database is needed
        environment=environment,
        ports={"8080/tcp": anywhere},
        mem_limit="1g",
        labels={"mlflow-platform.test": "conformance"},
    )
    try:
        container.put_archive("/", archive({AUTHORITIES: authority.pem}))
        container.start()
        container.reload()
        port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
        url = f"http://127.0.0.1:{port}"
        arguments = {"url": url, "clientId": "admin-cli", "username": "admin", "password": password}
        wait_for_admin_api(arguments)
        yield Server(arguments, container.attrs["NetworkSettings"]["Gateway"])
    finally:
        container.remove(force=True, v=True)


@pytest.fixture(scope="session")
def config(server: Server) -> dict[str, Any]:
    return server.arguments


def wait_for_admin_api(arguments: dict[str, Any]) -> None:
    """Discovery answers before the admin API does."""
    give_up = time.monotonic() + STARTING
    while True:
        try:
            return configured(**arguments).client.get("master")
        except ProviderError:
            if time.monotonic() > give_up:
                raise


@pytest.fixture(scope="session")
def plugin(config: dict[str, Any]) -> Plugin:
    return configured(**config)


@pytest.fixture(scope="session")
def world(plugin: Plugin, prefix: str) -> World:
    realm = plugin.create(REALM, {"realm": prefix}).id
    client = plugin.create(CLIENT, {"realmId": realm, "clientId": "audience", "accessType": "CONFIDENTIAL"})
    inputs = {"realmId": realm, "clientId": "program", "accessType": "CONFIDENTIAL", "serviceAccountsEnabled": True}
    program = plugin.create(CLIENT, inputs)
    scope = plugin.create(SCOPE, {"realmId": realm, "name": "access"})
    groups = [plugin.create(GROUP, {"realmId": realm, "name": name}) for name in ("everyone", "others")]
    for name in ("alice", "bob"):
        plugin.create(USER, {"realmId": realm, "username": name})
    return World(realm, client.id, program.id, scope.id, *(group.id for group in groups))
