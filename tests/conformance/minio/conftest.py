"""A MinIO that lives as long as these tests."""

import copy
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from offline.providers.minio import PROVIDER
from offline.providers.minio.server import Server

from ..containers import running
from ..harness import Plugin


@pytest.fixture(scope="session")
def config(local_image: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The provider's arguments for a server that lives as long as these tests; it may still be starting."""
    password = secrets.token_hex(12)
    secret = "/etc/root.env"
    with running(
        local_image("minio"),
        ["server", "/data"],
        port=9000,
        environment={"MINIO_CONFIG_ENV_FILE": secret},
        files={secret: f"MINIO_ROOT_USER=root\nMINIO_ROOT_PASSWORD={password}\n"},
    ) as port:
        yield {
            "minioServer": f"127.0.0.1:{port}",
            "minioUser": "root",
            "minioPassword": password,
            "minioSsl": "false",
            "minioRegion": "us-east-1",
        }


@pytest.fixture(scope="session")
def plugin(config: dict[str, Any]) -> Plugin:
    return Plugin(copy.copy(PROVIDER), config)


@pytest.fixture
def server(plugin: Plugin) -> Server:
    """For changes behind Pulumi's back."""
    return plugin.client
