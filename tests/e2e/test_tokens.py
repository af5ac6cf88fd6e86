"""A token that leaks from a job, a notebook or a log is good for MLflow and MinIO until it ends, for nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow_platform.client import tokens
from playwright.sync_api import expect

from tests.e2e import keycloak
from tests.e2e.browser import Person
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

AUDIENCES = {
    "mlflow": {"mlflow", "minio"},
    "mlflow-client": {"mlflow", "minio"},
    "ci": {"mlflow", "minio"},
    "minio": {"minio"},
}
LONGEST = 1300  # characters of a token of somebody in one team; with roles of Keycloak's it had 1438


def of_the_service_client(platform: Platform, **request: str) -> httpx.Response:
    url = f"{platform.outputs['oidc_issuer_url']}/protocol/openid-connect/token"
    grant = {"grant_type": "client_credentials", **platform.outputs["service_clients"]["ci"], **request}
    return httpx.post(url, data=grant, timeout=30, trust_env=False)


def of_an_offline_login(platform: Platform, home: Path) -> str:
    platform.log_in("dev", home, "--offline")
    (file,) = home.rglob("mlflow-platform/*.json")
    return json.loads(file.read_text())["tokens"]["access_token"]


def account(platform: Platform, token: str, method: str, path: str, **options: Any) -> int:
    """How Keycloak's API of a user's own account answers."""
    url = f"{platform.outputs['oidc_issuer_url']}/account{path}"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **options).status_code


@pytest.mark.parametrize("client", AUDIENCES)
def test_every_clients_tokens_are_for_mlflow_and_minio_and_carry_no_role(platform: Platform, client: str):
    """What Keycloak would put into a token of the widest scope that the client may ask for."""
    with keycloak.administration(platform.stack.ports["admin_keycloak"], platform.outputs["keycloak_admin"]) as admin:
        [found] = admin.get("/clients", params={"clientId": client}).json()
        optional = admin.get(f"/clients/{found['id']}/optional-client-scopes").json()
        scope = " ".join(["openid", *(scope["name"] for scope in optional)])
        for user in ("dev", "ada"):
            question = {"scope": scope, "userId": keycloak.user_id(admin, user)}
            url = f"/clients/{found['id']}/evaluate-scopes/generate-example-access-token"
            token = admin.get(url, params=question).json()
            audience = token["aud"] if isinstance(token["aud"], list) else [token["aud"]]
            assert (client, set(audience)) == (client, AUDIENCES[client])
            assert not token.keys() & {"realm_access", "resource_access", "allowed-origins"}


def test_no_token_opens_its_bearers_account(platform: Platform, tmp_path: Path):
    program = of_the_service_client(platform).json()["access_token"]
    days = of_an_offline_login(platform, tmp_path)
    platform.handed_out |= {program, days}
    for token in (platform.token("dev"), platform.token("ada"), days, program):
        said = tokens.claims(token)
        assert set(said["aud"]) == {"mlflow", "minio"}
        assert not said.keys() & {"realm_access", "resource_access"}
        assert len(token) < LONGEST
        assert platform.ask(token, "GET", "/api/2.0/mlflow/users/current").status_code == 200
        name = {"firstName": "Mallory", "lastName": "Developer", "email": "dev@example.com"}
        tried = {
            f"{method} {path}": account(platform, token, method, path, **options)
            for method, path, options in (
                ("GET", "/", {}),
                ("POST", "/", {"json": name}),
                ("GET", "/credentials", {}),
                ("GET", "/applications", {}),
                ("GET", "/linked-accounts", {}),
                ("GET", "/groups", {}),
                ("GET", "/sessions", {}),
                ("DELETE", "/sessions", {}),
            )
        }
        assert set(tried.values()) <= {401, 403}, tried


@pytest.mark.parametrize("scope", ["roles", "web-origins", "microprofile-jwt", "account", "organization", "phone"])
def test_no_client_asks_for_more(platform: Platform, scope: str):
    answer = of_the_service_client(platform, scope=f"openid {scope}")
    assert answer.json()["error"] == "invalid_scope"


def test_people_look_after_their_account_in_keycloaks_own_console(platform: Platform, someone: Callable[[str], Person]):
    person = someone("account console")
    person.open(f"{platform.outputs['oidc_issuer_url']}/account/")
    person.log_in("vera")
    first_name = person.page.locator("#firstName")
    expect(first_name).to_have_value("Vera")
    first_name.fill("Verena")
    person.page.get_by_test_id("save").or_(person.page.get_by_role("button", name="Save")).first.click()
    expect(person.page.get_by_text("has been updated")).to_be_visible()
    person.saw("saved")
    first_name.fill("Vera")
    person.page.get_by_test_id("save").or_(person.page.get_by_role("button", name="Save")).first.click()
    expect(person.page.get_by_text("has been updated").first).to_be_visible()
