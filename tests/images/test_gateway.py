"""The gateway's configuration in the real NGINX, with a server behind it that says what it was sent."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from typing import Any

import docker
import pytest

from tests.conformance.containers import running
from tests.unit.graph import DEV, declare

LONG = "l" * 30_000


class _Mirror(BaseHTTPRequestHandler):
    """Answers with the request's path and headers; its own headers are long."""

    def do_GET(self) -> None:
        body = json.dumps({"path": self.path, "headers": {key.lower(): value for key, value in self.headers.items()}})
        self.send_response(200)
        self.send_header("Location", LONG)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def mlflow() -> Iterator[str]:
    """Host and port, as a container reaches it, of what stands for MLflow."""
    (bridge,) = docker.from_env().networks.list(names=["bridge"])
    address = str(ip_network(bridge.attrs["IPAM"]["Config"][0]["Subnet"])[1])  # a daemon's first run names no gateway
    with ThreadingHTTPServer((address, 0), _Mirror) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"{address}:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def gateway(mlflow: str, local_image: Callable[[str], str]) -> Iterator[int]:
    file = "/etc/nginx/nginx.conf"
    configuration = declare(DEV).upload("gateway", file).replace("mlflow:5000", mlflow)
    image = local_image("nginx")
    with running(image, ["nginx", "-g", "daemon off;"], port=5000, environment={}, files={file: configuration}) as port:
        _wait_until_it_answers(port)
        yield port


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


@pytest.mark.parametrize(
    "path",
    [
        "/oidc/backchannel-logout",
        "/oidc/backchannel-logout?logout_token=forged",
        "/oidc/backchannel-logout/",
        "//oidc//backchannel-logout",
        "/oidc/./backchannel-logout",
        "/version/../oidc/backchannel-logout",
        "/version/%2e%2e/oidc/backchannel-logout",
        "/%6fidc/backchannel%2Dlogout",
        "/oidc%2Fbackchannel-logout",
        "http://mlflow:5000/oidc/backchannel-logout",
    ],
)
def test_nobody_outside_ends_a_session_from_behind_however_the_path_is_written(gateway: int, path: str):
    for method in ("GET", "POST"):
        answer, body = ask(gateway, method, path)
        assert answer.status == 404, body


def test_what_is_beside_the_closed_path_is_open(gateway: int):
    for path in ("/oidc/login", "/oidc/logout", "/oidc", "/"):
        answer, body = ask(gateway, "POST", path)
        assert (answer.status, json.loads(body)["path"]) == (200, path)


def test_a_client_cannot_say_who_it_is_or_where_it_comes_from(gateway: int):
    forged = ("For", "Host", "Proto", "Port", "Prefix", "Scheme", "Ssl")
    headers = {f"X_Forwarded_{name}": "forged" for name in forged}
    _, body = ask(gateway, "GET", "/", **headers, X_Real_IP="forged", Forwarded="for=forged", Host="public:5000")
    assert "forged" not in body
    seen = json.loads(body)["headers"]
    assert (seen["host"], seen["x-forwarded-host"], seen["x-forwarded-proto"]) == ("public:5000", "public:5000", "http")


def test_a_token_of_sixty_kilobytes_passes_whole(gateway: int):
    token = f"Bearer {'t' * 60_000}"
    answer, body = ask(gateway, "POST", "/api/2.0/mlflow/runs/search", Authorization=token)
    assert answer.status == 200
    assert json.loads(body)["headers"]["authorization"] == token


def test_an_answer_with_long_headers_passes_whole(gateway: int):
    answer, _ = ask(gateway, "GET", "/")
    assert answer.getheader("Location") == LONG
