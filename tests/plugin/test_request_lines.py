"""Requests as no decent client writes them: a Host or a path that a proxy, this layer and MLflow might read apart."""

import socket

import pytest

from tests.plugin.conftest import Server

WHO = "/api/2.0/mlflow/users/current"
CREATE = "/api/2.0/mlflow/experiments/create"


def send(server: Server, line: str, *headers: str, body: str = "") -> tuple[int, str]:
    """The status and the text that these very bytes get."""
    address = (server.http.base_url.host, server.http.base_url.port or 80)
    sizes = [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []
    request = "\r\n".join([line, *headers, *sizes, "Connection: close", "", body])
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request.encode("latin-1"))
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode("latin-1")
    return int(answer.split(" ", 2)[1]), answer


@pytest.fixture
def host(server: Server) -> str:
    return server.http.base_url.netloc.decode()


@pytest.fixture
def bearer(server: Server) -> str:
    return f"Authorization: Bearer {server.realm.token('reads-only', ('viewers',))}"


def test_the_requests_below_would_be_taken_if_written_well(server: Server, host: str, bearer: str) -> None:
    assert send(server, f"GET {WHO} HTTP/1.1", f"Host: {host}", bearer)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Host: {host}", "Host: {host}"],
        ["Host: {host}", "Host: evil.example"],
        ["Host: evil.example", "Host: {host}"],
        ["Host: {host}."],
        ["Host: {host}, evil.example"],
        ["Host: {host}/"],
        ["Host: {host}@evil.example"],
        ["Host: evil.example#{host}"],
        ["Host: {name}"],
        ["Host: {name}:"],
        ["Host: {name}:0{port}"],
        ["Host: {name}.:{port}"],
        ["Host: localhost:{port}"],
        ["Host: evil.example", "X-Forwarded-Host: {host}"],
        ["Host: evil.example", "Forwarded: host={host}"],
        ["Host: evil.example", "X-Host: {host}", "X-Original-Host: {host}"],
    ],
    ids=lambda headers: "+".join(headers) or "none",
)
def test_no_other_host_is_answered(server: Server, host: str, bearer: str, headers: list[str]) -> None:
    name, _, port = host.partition(":")
    lines = [header.format(host=host, name=name, port=port) for header in headers]
    for path in (WHO, "/gateway/mlflow/v1/models", "/.well-known/mlflow-platform"):
        assert send(server, f"GET {path} HTTP/1.1", *lines, bearer)[0] in (400, 403)


def test_a_forwarded_host_changes_nothing(server: Server, host: str, bearer: str) -> None:
    lines = [f"Host: {host}", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1"]
    status, answer = send(server, f"GET {WHO} HTTP/1.1", *lines, bearer)
    assert status == 200
    assert "evil.example" not in answer


@pytest.mark.parametrize("target", ["http://evil.example{path}", "http://{host}{path}", "//evil.example{path}"])
def test_an_absolute_request_target_opens_nothing(server: Server, host: str, bearer: str, target: str) -> None:
    for path in (WHO, "/health/../graphql"):
        line = f"GET {target.format(host=host, path=path)} HTTP/1.1"
        assert send(server, line, f"Host: {host}")[0] in (400, 401)
        assert send(server, line, "Host: evil.example", bearer)[0] in (400, 403)
    line = f"POST {target.format(host=host, path=CREATE)} HTTP/1.1"
    assert send(server, line, f"Host: {host}", bearer, body='{"name": "absolute"}')[0] in (400, 403, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow//experiments/create",
        "//api/2.0/mlflow/experiments/create",
        "/%61pi/2.0/mlflow/experiments/create",
        "/api/2.0/mlflow/experiments%2fcreate",
        "/api/2.0/mlflow/experiments/%63reate",
        "/api/2.0/mlflow/experiments/search/../create",
        "/api/2.0/mlflow/experiments/search/%2e%2e/create",
        "/graphql/../api/2.0/mlflow/experiments/create",
        "/api/2.0/mlflow/experiments/create;/graphql",
        "/api/2.0/mlflow/experiments/create%00/graphql",
        "/api/2.0/mlflow/experiments/create%0a",
        "/api/2.0/mlflow/experiments/create/",
        "/api/2.0/mlflow/experiments/create?/graphql",
        "/prefix/api/2.0/mlflow/experiments/create",
    ],
)
def test_no_spelling_lets_a_reader_write(server: Server, host: str, bearer: str, path: str) -> None:
    status, _ = send(server, f"POST {path} HTTP/1.1", f"Host: {host}", bearer, body='{"name": "by-a-reader"}')
    assert status == 403


@pytest.mark.parametrize("method", ["post", "PoST", "TRACE", "CONNECT", "PROPFIND", "PATCH", "GETT"])
def test_no_other_method_lets_a_reader_write(server: Server, host: str, bearer: str, method: str) -> None:
    status, _ = send(server, f"{method} {CREATE} HTTP/1.1", f"Host: {host}", bearer, body='{"name": "by-a-reader"}')
    assert status in (400, 403, 405)


@pytest.mark.parametrize(
    "lines",
    [
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: +5"],
        ["Authorization : Bearer x"],
        ["X-A: b\n\tc"],
    ],
)
def test_what_two_parsers_could_read_apart_is_refused(server: Server, host: str, lines: list[str]) -> None:
    status, _ = send(server, f"POST {WHO} HTTP/1.1", f"Host: {host}", *lines)
    assert status in (400, 401)


def test_nothing_of_the_above_made_an_experiment(server: Server) -> None:
    body = {"max_results": 1000}
    found = server.as_member("editors", "POST", "/api/2.0/mlflow/experiments/search", json=body).json()
    assert not {e["name"] for e in found["experiments"]} & {"by-a-reader", "absolute"}
