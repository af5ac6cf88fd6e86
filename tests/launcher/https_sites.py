"""A stack's sites over https, served by the test itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any

from launcher.state import State
from tests.anything import ByPath
from tests.authority import Pair
from tests.launcher.deployment import container, docker

NAMES = {
    "mlflow": "mlflow_tracking_uri",
    "login": "keycloak_url",
    "s3": "s3_endpoint_url",
    "console": "minio_console_url",
}


@dataclass
class Site:
    """A server on loopback; `names` are those that handshakes asked for, `hosts` those that requests did."""

    port: int
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@contextmanager
def https_site(pair: Pair) -> Iterator[Site]:
    """One that shows this certificate and answers as `ByPath` says."""
    context = pair.context()

    class Handler(ByPath):
        answers = {}

        def do_GET(self) -> None:
            site.hosts.append(self.headers["Host"])
            self.answers = ByPath.answers
            super().do_GET()

    ByPath.answers = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(server.server_port)
        context.sni_callback = lambda _, name, __: site.names.append(name)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield site
        server.shutdown()


def stack(outputs: dict[str, Any], *published: int, ip: str = "127.0.0.1", more: tuple[str, ...] = ()) -> State:
    """One with these outputs, whose gateway has these ports, and with some containers more."""
    ports = [{"internal": 8443, "external": port, "ip": ip} for port in published]
    made = {"urn": "u", "type": "pulumi:pulumi:Stack", "outputs": outputs}
    gateway = docker("container", "gateway", ports=ports or None)
    return State({"resources": [made, gateway, *(container(name) for name in more)]})


def sites(domain: str, port: int) -> dict[str, str]:
    """The outputs of a stack with domains."""
    return {output: f"https://{name}.{domain}:{port}" for name, output in NAMES.items()}
