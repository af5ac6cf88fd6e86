"""What Keycloak lets each client ask for."""

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.e2e import keycloak
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e


def granted(platform: Platform, **request: str) -> httpx.Response:
    url = f"{platform.outputs['oidc_issuer_url']}/protocol/openid-connect/token"
    return httpx.post(url, data=request, timeout=30, trust_env=False)


def login_page(platform: Platform, client_id: str, redirect_uri: str) -> httpx.Response:
    """Keycloak's answer to whoever wants a token for days, before anybody has logged in."""
    question = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid offline_access",
        "state": "x",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    url = f"{platform.outputs['oidc_issuer_url']}/protocol/openid-connect/auth"
    return httpx.get(url, params=question, timeout=30, trust_env=False)


def test_only_peoples_own_machines_may_ask_for_tokens_that_outlive_the_session(platform: Platform):
    assert login_page(platform, "mlflow-client", "http://127.0.0.1:49876/callback").status_code == 200
    for client_id, redirect_uri in (
        ("mlflow", f"{platform.url}/oidc/callback"),
        ("minio", f"{platform.outputs['minio_console_url']}/oauth_callback"),
    ):
        answer = login_page(platform, client_id, redirect_uri)
        assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_scope"], client_id


def test_a_service_client_logs_in_for_itself_alone(platform: Platform):
    client = platform.outputs["service_clients"]["ci"]
    itself = granted(platform, **client, grant_type="client_credentials")
    assert itself.status_code == 200
    platform.handed_out |= {client["client_secret"], itself.json()["access_token"]}
    assert "refresh_token" not in itself.json()
    person = {"username": "dev", "password": platform.outputs["dev_users"]["dev"]}
    assert granted(platform, **client, grant_type="password", **person).json()["error"] == "unauthorized_client"
    for_days = granted(platform, **client, grant_type="client_credentials", scope="offline_access")
    assert for_days.json()["error"] == "invalid_scope"
    assert login_page(platform, "ci", f"{platform.url}/").status_code == 400


def test_nobody_hands_a_password_to_a_client(platform: Platform):
    person = {"username": "dev", "password": platform.outputs["dev_users"]["dev"]}
    answer = granted(platform, client_id="mlflow-client", grant_type="password", **person)
    assert answer.json()["error"] == "unauthorized_client"


def test_a_group_that_is_only_called_like_a_team_gives_no_rights(platform: Platform):
    outputs = platform.outputs
    with keycloak.administration(platform.stack.ports["admin_keycloak"], outputs["keycloak_admin"]) as administrator:
        guest = keycloak.user_id(administrator, "guest")
        place = administrator.post("/groups", json={"name": "elsewhere"}).headers["location"]
        impostor = administrator.post(f"{place}/children", json={"name": "platform-admins"}).json()
        try:
            assert administrator.put(f"/users/{guest}/groups/{impostor['id']}").status_code == 204
            token = platform.token("guest")
            assert platform.ask(token, "GET", "/api/2.0/mlflow/users/current").status_code == 403
            assert platform.ask(token, "POST", "/api/2.0/mlflow-platform/session").status_code == 403
        finally:
            administrator.delete(place)
