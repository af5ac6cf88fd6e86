"""Many at once, and much in one request."""

import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow_platform.server.identity.tokens import MAX_TOKEN

from tests.plugin.conftest import Server

WHO = "/api/2.0/mlflow/users/current"


def test_fifty_new_tokens_of_new_users_at_once(server: Server) -> None:
    names = [f"of-the-crowd-{number % 25}" for number in range(50)]
    tokens = [server.realm.token(name, ("editors", "viewers", "users"), jti=str(i)) for i, name in enumerate(names)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda token: server.ask(token, "GET", WHO), tokens))
    assert Counter(answer.status_code for answer in answers) == {200: 50}
    assert len({answer.json()["user"]["id"] for answer in answers}) == 25
    users = server.as_member("admins", "GET", "/api/2.0/mlflow/users/list").json()["users"]
    held = {user["username"]: sorted(role["name"] for role in user["roles"]) for user in users}
    assert all(held[name] == ["team:editors", "team:users", "team:viewers"] for name in names)


def of_groups(server: Server, number: int) -> str:
    groups = [f"/department/with-a-long-name/{i:04}" for i in range(number)]
    return server.realm.token("of-many-groups", (*groups, "editors"))


def test_five_hundred_groups_fit(server: Server) -> None:
    token = of_groups(server, 500)
    assert 20_000 < len(token) < MAX_TOKEN
    assert server.ask(token, "GET", WHO).status_code == 200


def test_the_longest_token_that_the_gateway_passes_on_is_taken(server: Server) -> None:
    """One header line of NGINX may have 32k bytes, with its name and its end."""
    token = server.realm.token(padding="x" * 23_800)
    line = len(f"Authorization: Bearer {token}\r\n")
    assert 32_000 < line < 32_768
    assert server.ask(token, "GET", WHO).status_code == 200


@pytest.mark.parametrize("size", [MAX_TOKEN + 1, 1_000_000])
def test_an_oversized_header_is_refused_and_breaks_nothing(server: Server, size: int) -> None:
    for name in ("Authorization", "Cookie", "X-Other"):
        answer = server.http.get(WHO, headers={name: "Bearer " + "x" * size})
        assert answer.status_code in (400, 401, 431)
    assert server.as_member("editors", "GET", WHO).status_code == 200


def test_ten_thousand_headers_break_nothing(server: Server) -> None:
    headers = [("Authorization", "Bearer x")] * 10_000
    assert server.http.get(WHO, headers=headers).status_code in (400, 401, 431)
    assert server.as_member("editors", "GET", WHO).status_code == 200


def test_a_connection_that_never_ends_its_headers_holds_nobody_up(server: Server) -> None:
    address = (server.http.base_url.host, server.http.base_url.port or 80)
    with socket.create_connection(address) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-")
        assert server.as_member("editors", "GET", WHO).status_code == 200
