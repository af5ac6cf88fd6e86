"""pebble, an ACME server for tests: its image, what it is started with, and whom its certificates lead to."""

import io
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import docker

from components.images import BASE

DIRECTORY = "https://pebble:14000/dir"
MANAGEMENT = 15000
COMMAND = ("pebble", "-config", "/etc/pebble.json")
ENVIRONMENT = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "0"}

_IMAGE = f"""\
FROM {BASE["local"]}
LABEL org.opencontainers.image.title="an ACME server for tests"
RUN apt-get update && apt-get install -y --no-install-recommends pebble
"""


def image(client: docker.DockerClient) -> str:
    built, _ = client.images.build(fileobj=io.BytesIO(_IMAGE.encode()), rm=True)
    return built.id or ""


def files(certificate: str, key: str, *, http: int, https: int, lifetime: int) -> Mapping[str, str]:
    """What has to be in its /etc: its own pair, where it looks for challenges, and how long certificates are valid."""
    configuration = {
        "listenAddress": "0.0.0.0:14000",
        "managementListenAddress": f"0.0.0.0:{MANAGEMENT}",
        "certificate": "/etc/certificate.pem",
        "privateKey": "/etc/key.pem",
        "httpPort": http,
        "tlsPort": https,
        "certificateValidityPeriod": lifetime,
        "retryAfter": {"authz": 1, "order": 1},
    }
    return {"certificate.pem": certificate, "key.pem": key, "pebble.json": json.dumps({"pebble": configuration})}


def root(port: int, authority: str) -> str:
    """The root (PEM) that its certificates lead to, which is another at each start, from its port of management."""
    context = ssl.create_default_context(cadata=authority)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="pebble") as encrypted,
    ):
        encrypted.sendall(b"GET /roots/0 HTTP/1.0\r\nHost: pebble\r\n\r\n")
        answer = b"".join(iter(lambda: encrypted.recv(65536), b""))
    return answer.split(b"\r\n\r\n", 1)[1].decode()


def orders(container: Any) -> int:
    """How many certificates it has been asked for."""
    return container.logs().decode().count("Added order ")
