"""The gateway's configuration in the real NGINX: what passes, and as what."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.images import nginx
from tests.images.https import configuration
from tests.images.nginx import LONG, ask
from tests.unit.graph import DEV, declare


@pytest.fixture(scope="module")
def gateway(local_image: Callable[[str], str]) -> Iterator[int]:
    with nginx.mirror() as mlflow:
        configuration = declare(DEV).upload("gateway", "/etc/nginx/nginx.conf").replace("mlflow:5000", mlflow)
        with nginx.gateway(local_image("nginx"), configuration, 5000) as port:
            yield port


def test_s3_without_a_server_is_busy_for_clients_wait_then(local_image: Callable[[str], str]):
    """After NGINX's own 502 boto3 asks ten times within two seconds, and a training ends while MinIO is replaced."""
    nobody = configuration("Pulumi.dev.yaml", "127.0.0.1:9")
    with nginx.gateway(local_image("nginx"), nobody, 9000) as port:
        answer, body = ask(port, "PUT", "/bucket/key")
        assert (answer.status, answer.getheader("Retry-After")) == (503, "5")
        assert answer.getheader("x-amz-retry-after") == "5000"
        assert "<Code>SlowDown</Code>" in body
    with nginx.gateway(local_image("nginx"), nobody, 5000) as port:
        assert ask(port, "GET", "/")[0].status == 502


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


def test_a_connection_becomes_a_websocket_and_nothing_else(gateway: int):
    """Requests inside of another protocol (h2c) would be seen by nobody here."""
    for asked, passed in (("websocket", "websocket"), ("WebSocket", "websocket"), ("h2c", ""), ("h2c, websocket", "")):
        _, body = ask(gateway, "GET", "/", Upgrade=asked, Connection="Upgrade, HTTP2-Settings", HTTP2_Settings="AAMA")
        headers = json.loads(body)["headers"]
        assert (headers.get("upgrade", ""), headers.get("connection", "")) == (passed, "upgrade" if passed else "")
