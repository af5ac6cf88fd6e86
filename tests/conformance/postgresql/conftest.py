"""A PostgreSQL that lives as long as these tests."""

import copy
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from offline.providers.postgresql import PROVIDER

from ..containers import running
from ..harness import Plugin
from .server import connected


@pytest.fixture(scope="session")
def config(local_image: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The provider's arguments for a server that lives as long as these tests; it may still be starting."""
    password = secrets.token_hex(12)
    secret = "/run/superuser"
    with running(
        local_image("postgres"),
        ["postgres"],
        port=5432,
        environment={"POSTGRES_PASSWORD_FILE": secret},
        files={secret: password},
    ) as port:
        yield {"host": "127.0.0.1", "port": port, "username": "postgres", "password": password, "sslmode": "disable"}


@pytest.fixture(scope="session")
def plugin(config: dict[str, Any]) -> Plugin:
    return Plugin(copy.copy(PROVIDER), config)


@pytest.fixture(scope="session")
def sql(plugin: Plugin, config: dict[str, Any]) -> Iterator[Callable[[str], list[Any]]]:
    """Runs a statement behind Pulumi's back; returns its rows."""
    with plugin.client.reading():
        pass  # the provider waits for the server to be ready
    with connected(config, config["username"], config["password"]) as connection:

        def run(statement: str) -> list[Any]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        yield run
