"""The gateway's configuration in the real NGINX, with a server behind it that says what it was sent."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import docker

from tests.conformance.containers import running

LONG = "l" * 30_000


class _Mirror(BaseHTTPRequestHandler):
    """Answers with the request's path and headers; its own headers are long."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {key.lower(): value for key, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("Location", LONG)
        self.send_header("X-Of-The-Mirror", "seen")
        self.send_header("Set-Cookie", "token=x; Path=/")
        self.send_header("Strict-Transport-Security", "max-age=1; includeSubDomains")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@contextmanager
def mirror() -> Iterator[str]:
    """Host and port, as a container reaches it, of what stands for a service."""
    (bridge,) = docker.from_env().networks.list(names=["bridge"])
    address = str(ip_network(bridge.attrs["IPAM"]["Config"][0]["Subnet"])[1])  # a daemon's first run names no gateway
    with ThreadingHTTPServer((address, 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{address}:{server.server_port}"
        server.shutdown()


@contextmanager
def gateway(image: str, configuration: str, port: int) -> Iterator[int]:
    """One of its sites; yields the port on the host."""
    file = "/etc/nginx/nginx.conf"
    command = ["nginx", "-g", "daemon off;"]
    with running(image, command, port=port, environment={}, files={file: configuration}) as outside:
        _wait_until_it_answers(outside)
        yield outside


def _wait_until_it_answers(port: int) -> None:
    give_up = time.monotonic() + 30
    while True:
        try:
            ask(port, "GET", "/")
            return
        except (HTTPException, OSError):
            if time.monotonic() > give_up:
                raise
            time.sleep(0.1)


def ask(port: int, method: str, path: str, **headers: str) -> tuple[HTTPResponse, str]:
    """Sends a path as it is; clients with better manners would tidy it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()
