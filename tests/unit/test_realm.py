"""Who may log in where, and what a token says."""

import pytest

from .graph import Graph

CLIENTS = {"mlflow": "CONFIDENTIAL", "minio": "CONFIDENTIAL", "mlflow-client": "PUBLIC"}


def scopes(graph: Graph, client: str) -> set[str]:
    return set(graph.the(":ClientDefaultScopes", f"keycloak-realm-{client}").inputs["defaultScopes"])


def test_these_are_all_the_clients(dev: Graph):
    assert {client.inputs["clientId"]: client.inputs["accessType"] for client in dev.of(":Client")} == CLIENTS


def test_a_login_returns_to_exactly_one_address(dev: Graph):
    returns = {client.inputs["clientId"]: client.inputs["validRedirectUris"] for client in dev.of(":Client")}
    assert returns == {
        "mlflow": ["http://localhost:5000/oidc/callback"],
        "minio": ["http://localhost:9001/oauth_callback"],
        "mlflow-client": ["http://127.0.0.1/callback"],
    }


def test_a_logout_returns_to_no_wildcard(dev: Graph):
    addresses = [uri for client in dev.of(":Client") for uri in client.inputs.get("validPostLogoutRedirectUris", [])]
    assert addresses == ["http://localhost:5000/"]


@pytest.mark.parametrize("client", CLIENTS)
def test_nobody_hands_a_password_to_a_client(dev: Graph, client: str):
    flows = dev.the(":Client", f"keycloak-realm-{client}").inputs
    assert flows["standardFlowEnabled"]
    for flow in ("directAccessGrantsEnabled", "implicitFlowEnabled", "serviceAccountsEnabled"):
        assert not flows.get(flow), flow


@pytest.mark.parametrize("client", ["mlflow", "mlflow-client"])
def test_a_stolen_code_is_of_no_use(dev: Graph, client: str):
    assert dev.the(":Client", f"keycloak-realm-{client}").inputs["pkceCodeChallengeMethod"] == "S256"


def test_the_minio_consoles_tokens_are_of_no_use_to_mlflow(dev: Graph):
    for_mlflow, for_minio = "mlflow-authorization", "minio-authorization"
    assert scopes(dev, "mlflow") & {for_mlflow, for_minio} == {for_mlflow, for_minio}
    assert scopes(dev, "mlflow-client") & {for_mlflow, for_minio} == {for_mlflow, for_minio}
    assert scopes(dev, "minio") & {for_mlflow, for_minio} == {for_minio}


@pytest.mark.parametrize("client", CLIENTS)
def test_keycloaks_own_scopes_are_listed_for_the_list_replaces_them(dev: Graph, client: str):
    assert {"acr", "basic", "email", "profile", "roles", "web-origins"} <= scopes(dev, client)


@pytest.mark.parametrize("audience", ["mlflow", "minio"])
def test_a_token_says_whom_it_is_for(dev: Graph, audience: str):
    mapper = dev.the(":AudienceProtocolMapper", f"keycloak-realm-audience-{audience}").inputs
    assert mapper["includedClientAudience"] == audience
    assert mapper.get("addToAccessToken", True)


def test_a_token_lists_plain_group_names(dev: Graph):
    (mapper,) = dev.of(":GroupMembershipProtocolMapper")
    assert (mapper.inputs["claimName"], mapper.inputs["fullPath"]) == ("groups", False)


def test_a_token_lists_the_policies_of_all_groups_of_its_bearer(dev: Graph):
    (mapper,) = dev.of(":UserAttributeProtocolMapper")
    wanted = {"claimName": "policy", "userAttribute": "policy", "multivalued": True, "aggregateAttributes": True}
    assert {key: mapper.inputs[key] for key in wanted} == wanted


def test_teams_become_groups_with_their_policy_and_members(dev: Graph):
    policies = {group.inputs["name"]: group.inputs["attributes"] for group in dev.of(":Group")}
    assert policies == {
        "platform-admins": {"policy": "consoleAdmin"},
        "model-developers": {"policy": "team-model-developers"},
        "model-viewers": {"policy": "team-model-viewers"},
    }
    members = {group.inputs["groupId"]: group.inputs["members"] for group in dev.of(":GroupMemberships")}
    assert members == {
        "keycloak-realm-platform-admins-id": ["ada"],
        "keycloak-realm-model-developers-id": ["dev"],
        "keycloak-realm-model-viewers-id": ["vera"],
    }


def test_dev_users_can_log_in_at_once(dev: Graph):
    for user in dev.of(":User"):
        assert user.inputs["enabled"]
        assert user.inputs["emailVerified"]
        assert user.inputs["initialPassword"]["temporary"] is False
        assert user.inputs["firstName"]
        assert user.inputs["lastName"]


def test_guessing_passwords_is_slowed_down(dev: Graph):
    (realm,) = dev.of("realm:Realm")
    assert realm.inputs["securityDefenses"]["bruteForceDetection"]["maxLoginFailures"] <= 30
    assert not realm.inputs.get("registrationAllowed")


def test_keycloak_goes_by_one_public_name(dev: Graph):
    options = dict(
        line.split("=", 1) for line in dev.upload("keycloak", "/opt/keycloak/conf/keycloak.conf").splitlines()
    )
    assert options["hostname"] == dev.outputs["keycloak_url"] == "http://localhost:8080"
    assert options["db-url-host"] == "postgres"
    assert dev.container("keycloak").inputs["command"] == ["start"]  # and not start-dev
    assert dev.outputs["oidc_issuer_url"] == "http://localhost:8080/realms/mlflow"
