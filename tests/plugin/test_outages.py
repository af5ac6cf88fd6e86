"""Keycloak or MinIO down or hanging: a clear answer within five seconds, and service for whoever needs neither."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mlflow_platform.server.credentials.endpoints import SESSION
from mlflow_platform.server.responses import PAUSE

from tests.plugin.conftest import Server, prepare, serving
from tests.plugin.idp import Backstage

WHO = "/api/2.0/mlflow/users/current"


@pytest.fixture(scope="module")
def silent() -> Iterator[str]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture(scope="module")
def abandoned(silent: str, backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose Keycloak hangs from the start."""
    home = tmp_path_factory.mktemp("abandoned")
    environment = prepare(home, backstage, backchannel_url=f"{silent}/realms/test", password_grant=True)
    with serving(environment, backstage) as server:
        yield server


def told(answer: httpx.Response, name: str, since: float) -> None:
    assert time.monotonic() - since < 5
    assert (answer.status_code, answer.headers["retry-after"]) == (503, PAUSE)
    assert answer.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
    assert name in answer.json()["message"]


def test_a_hanging_keycloak_before_its_keys_are_known(abandoned: Server) -> None:
    for method, path in (("GET", WHO), ("POST", SESSION)):
        since = time.monotonic()
        told(abandoned.ask(abandoned.realm.token(), method, path), "Keycloak", since)


def test_a_hanging_keycloak_that_is_asked_for_a_password(abandoned: Server) -> None:
    since = time.monotonic()
    told(abandoned.http.post(SESSION, json={"username": "ada", "password": "x"}), "Keycloak", since)


@pytest.mark.parametrize("mode", ["hang", "broken"])
def test_minio_down_or_hanging(server: Server, mode: str) -> None:
    server.sts.mode = mode
    try:
        since = time.monotonic()
        told(server.ask(server.realm.token(), "POST", SESSION), "MinIO", since)
        assert server.as_member("editors", "GET", WHO).status_code == 200
    finally:
        server.sts.mode = "well"


def test_minio_that_nobody_listens_for(backstage: Backstage, tmp_path: Path) -> None:
    with serving(prepare(tmp_path, backstage, sts_endpoint="http://127.0.0.1:9"), backstage) as server:
        since = time.monotonic()
        told(server.ask(server.realm.token(), "POST", SESSION), "MinIO", since)


def test_mlflow_serves_new_tokens_while_keycloak_is_down(server: Server) -> None:
    for _ in range(8):  # both workers know the keys
        assert server.as_member("viewers", "GET", WHO).status_code == 200
    server.realm.answers = False
    try:
        for number in range(8):
            assert server.ask(server.realm.token("late", jti=str(number)), "GET", WHO).status_code == 200
            assert server.ask(server.realm.token("late", jti=str(number)), "POST", SESSION).status_code == 200
    finally:
        server.realm.answers = True
