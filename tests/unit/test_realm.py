"""Who may log in where, and what a token says."""

import json
from typing import Any

import pytest

from components.settings import SettingsError, parse

from .graph import DEV, PROJECT, Graph, declare

CLIENTS = {"mlflow": "CONFIDENTIAL", "minio": "CONFIDENTIAL", "mlflow-client": "PUBLIC", "ci": "CONFIDENTIAL"}
BROWSER_FLOWS = ("standardFlowEnabled", "implicitFlowEnabled", "oauth2DeviceAuthorizationGrantEnabled")


def client(graph: Graph, name: str) -> dict[str, Any]:
    return graph.the("openid/client:Client", f"keycloak-realm-{name}").inputs


def scopes(graph: Graph, client: str) -> set[str]:
    return set(graph.the(":ClientDefaultScopes", f"keycloak-realm-{client}").inputs["defaultScopes"])


def realm(graph: Graph) -> dict[str, Any]:
    return graph.the("realm:Realm", "keycloak-realm").inputs


def test_these_are_all_the_clients(dev: Graph):
    assert {client.inputs["clientId"]: client.inputs["accessType"] for client in dev.of(":Client")} == CLIENTS


@pytest.mark.parametrize("name", sorted(CLIENTS.keys() - {"ci"}))
def test_no_service_client_takes_the_name_of_one_of_the_realms_own(name: str):
    with pytest.raises(SettingsError, match=f"service_clients.{name}"):
        parse(PROJECT, "dev", {**DEV, f"{PROJECT}:service_clients": json.dumps({name: {"team": "model-viewers"}})}, {})


def test_a_login_returns_to_exactly_one_address(dev: Graph):
    returns = {name: client(dev, name).get("validRedirectUris") for name in CLIENTS}
    assert returns == {
        "mlflow": ["http://localhost:5000/oidc/callback"],
        "minio": ["http://localhost:9001/oauth_callback"],
        "mlflow-client": ["http://127.0.0.1/callback"],
        "ci": None,
    }


def test_a_logout_returns_to_no_wildcard(dev: Graph):
    addresses = [uri for client in dev.of(":Client") for uri in client.inputs.get("validPostLogoutRedirectUris", [])]
    assert addresses == ["http://localhost:5000/"]


@pytest.mark.parametrize("name", CLIENTS)
def test_nobody_hands_a_password_to_a_client(dev: Graph, name: str):
    flows = client(dev, name)
    assert not flows.get("directAccessGrantsEnabled")
    assert not flows.get("implicitFlowEnabled")


def test_mlflow_alone_takes_passwords_and_only_where_the_stack_says_so():
    graph = declare({**DEV, f"{PROJECT}:password_grant": "true"})
    assert [name for name in CLIENTS if client(graph, name).get("directAccessGrantsEnabled")] == ["mlflow"]
    assert json.loads(graph.upload("mlflow", "/etc/mlflow-platform/server.json"))["password_grant"] is True


def test_a_service_client_logs_in_for_itself_alone(dev: Graph):
    program = client(dev, "ci")
    assert program["serviceAccountsEnabled"]
    assert [flow for flow in BROWSER_FLOWS if program.get(flow)] == []
    assert [name for name in CLIENTS if client(dev, name).get("serviceAccountsEnabled")] == ["ci"]


def test_nothing_takes_the_place_of_the_secret_that_keycloak_made_up(dev: Graph):
    assert [name for name in CLIENTS if "clientSecret" in client(dev, name)] == []


def test_mlflow_hears_of_every_logout_from_keycloak_itself(dev: Graph):
    web, (address,) = client(dev, "mlflow"), dev.container("mlflow").inputs["networksAdvanced"][0]["aliases"]
    assert web["backchannelLogoutUrl"] == f"http://{address}:5000/oidc/backchannel-logout"
    assert web["backchannelLogoutSessionRequired"] is True  # or the message would not say which session it was
    assert web["frontchannelLogoutEnabled"] is False  # with it on, Keycloak leaves the back channel out


@pytest.mark.parametrize("name", ["mlflow", "mlflow-client"])
def test_a_stolen_code_is_of_no_use(dev: Graph, name: str):
    assert client(dev, name)["pkceCodeChallengeMethod"] == "S256"


def test_the_minio_consoles_tokens_are_of_no_use_to_mlflow(dev: Graph):
    for_mlflow, for_minio = "mlflow-authorization", "minio-authorization"
    assert scopes(dev, "mlflow") & {for_mlflow, for_minio} == {for_mlflow, for_minio}
    assert scopes(dev, "mlflow-client") & {for_mlflow, for_minio} == {for_mlflow, for_minio}
    assert scopes(dev, "ci") & {for_mlflow, for_minio} == {for_mlflow, for_minio}
    assert scopes(dev, "minio") & {for_mlflow, for_minio} == {for_minio}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_token_says_who_its_bearer_is_and_carries_no_role(dev: Graph, name: str):
    of_keycloak = {scope for scope in scopes(dev, name) if not scope.endswith("-authorization")}
    assert of_keycloak == {"acr", "basic", "email", "profile"} | ({"service_account"} if name == "ci" else set())
    assert client(dev, name)["fullScopeAllowed"] is False


def test_only_peoples_own_machines_may_ask_for_tokens_that_outlive_the_session(dev: Graph):
    optional = {name: dev.the(":ClientOptionalScopes", f"keycloak-realm-{name}").inputs for name in CLIENTS}
    assert {name: scopes["optionalScopes"] for name, scopes in optional.items()} == {
        "mlflow": [],
        "minio": [],
        "mlflow-client": ["offline_access"],
        "ci": [],
    }


@pytest.mark.parametrize("audience", ["mlflow", "minio"])
def test_a_token_says_whom_it_is_for(dev: Graph, audience: str):
    mapper = dev.the(":AudienceProtocolMapper", f"keycloak-realm-audience-{audience}").inputs
    assert mapper["includedClientAudience"] == audience
    assert mapper.get("addToAccessToken", True)


@pytest.mark.parametrize(("claim", "attribute"), [("groups", "mlflow-team"), ("policy", "policy")])
def test_a_token_lists_the_teams_and_the_policies_of_all_groups_of_its_bearer(dev: Graph, claim: str, attribute: str):
    mapper = dev.the(":UserAttributeProtocolMapper", f"keycloak-realm-{claim}").inputs
    wanted = {"claimName": claim, "userAttribute": attribute, "multivalued": True, "aggregateAttributes": True}
    assert {key: mapper[key] for key in wanted} == wanted


def test_no_group_is_a_team_by_its_name_alone(dev: Graph):
    assert not dev.of(":GroupMembershipProtocolMapper")


def test_teams_become_groups_with_their_policy(dev: Graph):
    policies = {group.inputs["name"]: group.inputs["attributes"] for group in dev.of(":Group")}
    assert policies == {
        "platform-admins": {"mlflow-team": "platform-admins", "policy": "consoleAdmin"},
        "model-developers": {"mlflow-team": "model-developers", "policy": "team-model-developers"},
        "model-viewers": {"mlflow-team": "model-viewers", "policy": "team-model-viewers"},
    }


def test_the_stack_file_says_in_which_teams_those_are_whom_it_names_and_nothing_of_others(dev: Graph):
    members = {named.inputs["userId"]: named.inputs["groupIds"] for named in dev.of(":UserGroups")}
    assert members == {
        "keycloak-realm-ada-id": ["keycloak-realm-platform-admins-id"],
        "keycloak-realm-dev-id": ["keycloak-realm-model-developers-id"],
        "keycloak-realm-vera-id": ["keycloak-realm-model-viewers-id"],
        "service-account-of-keycloak-realm-ci": ["keycloak-realm-model-developers-id"],
    }
    assert {named.inputs["exhaustive"] for named in dev.of(":UserGroups")} == {False}


def test_no_team_has_a_role_of_keycloaks(dev: Graph):
    roles = {of.inputs["groupId"]: (of.inputs["roleIds"], of.inputs["exhaustive"]) for of in dev.of(":GroupRoles")}
    assert roles == {f"{group.name}-id": ([], True) for group in dev.of(":Group")}


def test_somebody_in_two_teams_is_in_two_groups():
    teams = json.loads(DEV[f"{PROJECT}:teams"])
    teams["model-viewers"]["members"] = ["vera", "dev"]
    graph = declare({**DEV, f"{PROJECT}:teams": json.dumps(teams)})
    groups = ["keycloak-realm-model-developers-id", "keycloak-realm-model-viewers-id"]
    assert graph.the(":UserGroups", "keycloak-realm-dev").inputs["groupIds"] == groups


def test_dev_users_can_log_in_at_once(dev: Graph):
    for user in dev.of(":User"):
        assert user.inputs["enabled"]
        assert user.inputs["emailVerified"]
        assert user.inputs["initialPassword"]["temporary"] is False
        assert user.inputs["firstName"]
        assert user.inputs["lastName"]


def test_guessing_passwords_is_slowed_down(dev: Graph):
    assert realm(dev)["securityDefenses"]["bruteForceDetection"]["maxLoginFailures"] <= 30
    assert not realm(dev).get("registrationAllowed")


def test_tokens_and_sessions_end_when_the_stack_says(dev: Graph):
    ends = ("accessTokenLifespan", "ssoSessionIdleTimeout", "ssoSessionMaxLifespan", "offlineSessionIdleTimeout")
    assert [realm(dev)[end] for end in ends] == ["5m0s", "8h0m0s", "72h0m0s", "720h0m0s"]
    short = json.dumps({"access_token": 10, "session_idle": 90, "session_max": 3600, "storage_credentials": "token"})
    graph = declare({**DEV, f"{PROJECT}:lifetimes": short})
    assert [realm(graph)[end] for end in ends] == ["10s", "1m30s", "1h0m0s", "720h0m0s"]
    told = json.loads(graph.upload("mlflow", "/etc/mlflow-platform/server.json"))
    seconds = ("session_idle_seconds", "session_max_seconds", "storage_credentials_seconds")
    assert [told[key] for key in seconds] == [90, 3600, None]
