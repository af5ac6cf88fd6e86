"""Service clients: their team's rights by a token of their own, and nobody else under their name."""

import pytest
from mlflow_platform.server.credentials.endpoints import SESSION

from tests.plugin.conftest import Server

WHO = "/api/2.0/mlflow/users/current"
CREATE = "/api/2.0/mlflow/experiments/create"


def token(server: Server, client: str, *teams: str, **claims: object) -> str:
    """As Keycloak makes it for client credentials."""
    name = f"service-account-{client.lower()}"
    return server.realm.token(name, teams, azp=client, client_id=client, clientHost="172.18.0.1", **claims)


def test_a_service_client_has_the_rights_of_its_team(server: Server) -> None:
    for client, team, status in (("ci", "editors", 200), ("dashboard", "viewers", 403)):
        mine = token(server, client, team)
        who = server.ask(mine, "GET", WHO).json()["user"]
        assert (who["username"], who["is_admin"]) == (f"service-account-{client}", False)
        assert server.ask(mine, "POST", CREATE, json={"name": f"of-{client}"}).status_code == status
        assert server.ask(mine, "POST", SESSION).status_code == 200
    assert server.ask(token(server, "Upper"), "GET", WHO).status_code == 403


def test_a_service_client_that_left_its_team_has_nothing(server: Server) -> None:
    assert server.ask(token(server, "moved", "editors"), "GET", WHO).status_code == 200
    assert server.ask(token(server, "moved"), "GET", WHO).status_code == 403


@pytest.mark.parametrize("client", ["mlflow-client", "mlflow", "other", "ci2", "c"])
def test_a_person_with_a_services_name_is_not_let_in(server: Server, client: str) -> None:
    answer = server.ask(server.realm.token("service-account-ci", ("admins",), azp=client), "GET", WHO)
    assert answer.status_code == 401
    assert "service client" in answer.json()["message"]


@pytest.mark.parametrize("team", ["editors", "admins"])
def test_nobody_becomes_a_service_by_mlflows_means(server: Server, team: str) -> None:
    server.ask(token(server, "ci", "editors"), "GET", WHO)
    name = "service-account-ci"
    for verb, path, body in (
        ("POST", "users/create", {"username": "service-account-new", "password": "a-long-password"}),
        ("PATCH", "users/update-password", {"username": name, "password": "a-long-password"}),
        ("PATCH", "users/update-admin", {"username": name, "is_admin": True}),
        ("DELETE", "users/delete", {"username": name}),
    ):
        assert server.as_member(team, verb, f"/api/2.0/mlflow/{path}", json=body).status_code == 403
    basic = (name, "a-long-password")
    assert server.http.get(WHO, auth=basic).status_code == 401
