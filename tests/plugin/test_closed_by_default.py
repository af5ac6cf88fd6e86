"""Nothing answers anybody, four routes, the discovery document and the ways to log in and out apart."""

import base64
import http.client
import subprocess
import sys

import pytest

from tests.plugin.conftest import Server

PUBLIC = {
    "/health",
    "/version",
    "/api/3.0/mlflow/server-info",
    "/ajax-api/3.0/mlflow/server-info",
    "/.well-known/mlflow-platform",
}


def private(routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(method, path) for method, path in routes if path not in PUBLIC or method not in ("GET", "HEAD")]


def test_the_list_of_routes_is_the_whole_app(routes: list[tuple[str, str]]) -> None:
    paths = {path for _, path in routes}
    assert len(routes) > 900
    assert {
        "/graphql",
        "/v1/traces",
        "/ajax-api/3.0/jobs/search",
        "/gateway/mlflow/v1/models",
        "/get-artifact",
    } <= paths
    assert any("/mcp-servers" in path for path in paths)
    assert any("/assistant" in path for path in paths)
    assert any("/mlflow-artifacts/artifacts/" in path for path in paths)


def test_every_route_and_method_wants_a_token(server: Server, routes: list[tuple[str, str]]) -> None:
    for method, path in private(routes):
        answer = server.ask(None, method, path)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if method != "HEAD":
            assert answer.json()["error_code"] == "UNAUTHENTICATED", (method, path)


def test_every_route_and_method_is_closed_to_a_user_of_no_team(server: Server, routes: list[tuple[str, str]]) -> None:
    token = server.realm.token("stranger", ("somebody-elses-team",))
    for method, path in private(routes):
        answer = server.ask(token, method, path)
        assert answer.status_code == 403, (method, path)
        if method != "HEAD":
            assert "None of your groups" in answer.json()["message"], (method, path)


@pytest.mark.parametrize("path", sorted(PUBLIC))
def test_the_public_routes_answer_without_a_token(server: Server, path: str) -> None:
    assert server.ask(None, "GET", path).status_code == 200


def test_the_discovery_document_says_all_that_a_client_needs(server: Server) -> None:
    assert server.ask(None, "GET", "/.well-known/mlflow-platform").json() == {
        "issuer": server.realm.issuer,
        "client_id": "mlflow-client",
        "s3_endpoint": "http://s3.example:9000",
        "s3_region": "us-east-1",
        "bucket": "mlflow",
        "s3_credentials_seconds": None,
    }


@pytest.mark.parametrize(
    "path",
    [
        "//api/2.0/mlflow/experiments/search",
        "/api//2.0/mlflow/experiments/search",
        "/%61pi/2.0/mlflow/experiments/search",
        "/health/../api/2.0/mlflow/experiments/search",
        "/health/..%2fapi/2.0/mlflow/experiments/search",
        "/health%2f..%2fapi/2.0/mlflow/experiments/search",
        "/health/",
        "/health/x",
        "/healthy",
        "/HEALTH",
        "/health;x",
        "/version/../graphql",
        "/static-files/index.html",
        "/static-files/../graphql",
        "/static",
        "/favicon.ico",
        "/mlflow/health",
        "/prefix/api/3.0/mlflow/server-info",
        "/api/3.0/mlflow/server-info/",
        "/.well-known/mlflow-platform/",
        "/.well-known/../graphql",
        "/signup",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/no/such/route",
    ],
)
def test_no_spelling_of_a_path_is_public_by_accident(server: Server, path: str) -> None:
    connection = http.client.HTTPConnection(server.http.base_url.host, server.http.base_url.port)
    connection.request("GET", path)  # sends the path as it stands, where other clients tidy it up
    assert connection.getresponse().status == 401
    connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic " + base64.b64encode(b"admin:password1234").decode()},
        {"Authorization": "Basic " + base64.b64encode(b"member-of-admins:!1").decode()},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest username=admin"},
        {"Cookie": "session=x; access_token=y"},
        {"X-Forwarded-User": "admin", "X-Forwarded-For": "127.0.0.1", "X-Remote-User": "admin"},
        {"X-Forwarded-Prefix": "/health", "X-Original-URL": "/health", "X-Rewrite-URL": "/health"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-MLflow-Authorization": "Bearer x"},
    ],
    ids=lambda headers: "+".join(headers),
)
def test_no_other_header_stands_in_for_a_token(server: Server, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/api/2.0/mlflow/experiments/search"), ("POST", "/v1/traces"), ("GET", "/")):
        assert server.http.request(method, path, headers=headers).status_code == 401


def test_a_method_override_changes_nothing(server: Server) -> None:
    token = server.realm.token("member-of-viewers", ("viewers",))
    headers = {"Authorization": f"Bearer {token}", "X-HTTP-Method-Override": "GET"}
    answer = server.http.post("/api/2.0/mlflow/experiments/create?_method=GET", headers=headers, json={"name": "x"})
    assert answer.status_code == 403


def test_an_answer_says_for_the_gateways_log_who_asked_where_he_was_let_in(server: Server) -> None:
    header = "X-MLflow-Platform-Caller"
    token = server.realm.token("jürgen müller@example.org", ("viewers",))
    search = ("POST", "/api/2.0/mlflow/experiments/search")
    found = server.ask(token, *search, json={"max_results": 1}, headers={header: "ada default"})
    assert found.headers.get_list(header) == ["j%C3%BCrgen%20m%C3%BCller%40example.org default"]
    assert header not in server.ask(None, *search, json={}).headers
    assert header not in server.http.get("/health").headers


def test_two_authorization_headers_are_one_too_many(server: Server) -> None:
    value = f"Bearer {server.realm.token()}"
    headers = [("Authorization", value), ("Authorization", value)]
    assert server.http.get("/api/2.0/mlflow/users/current", headers=headers).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:80@127.0.0.1", "", "[::1"])
def test_a_foreign_host_is_refused_even_with_a_token(server: Server, host: str) -> None:
    headers = {"Authorization": f"Bearer {server.realm.token()}", "Host": host}
    for path in ("/", "/api/2.0/mlflow/users/current", "/gateway/mlflow/v1/models", "/.well-known/mlflow-platform"):
        assert server.http.get(path, headers=headers).status_code in (400, 403)


def test_on_gateway_routes_the_token_may_come_in_a_header_of_its_own(server: Server) -> None:
    headers = {"X-MLflow-Authorization": f"Bearer {server.realm.token()}", "Authorization": "Bearer sk-a-provider-key"}
    assert server.http.get("/gateway/mlflow/v1/models", headers=headers).status_code == 200
    assert server.http.get("/api/2.0/mlflow/users/current", headers=headers).status_code == 401


def test_a_static_prefix_under_which_paths_would_read_differently_is_refused_at_the_start(
    environment: dict[str, str],
) -> None:
    program = "from mlflow_platform.server.app import create_app; create_app()"
    prefixed = {**environment, "_MLFLOW_STATIC_PREFIX": "/mlflow"}
    done = subprocess.run([sys.executable, "-c", program], env=prefixed, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "SettingsError: a static prefix is not supported" in done.stderr
