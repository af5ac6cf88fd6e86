"""By which addresses Keycloak goes: one for users, which tokens name, and one for its administrators."""

import pytest

from .graph import DEV, PROJECT, Graph, declare


@pytest.fixture(scope="module")
def public() -> Graph:
    """Administered at the public address."""
    return declare({**DEV, f"{PROJECT}:keycloak_admin": "public", f"{PROJECT}:host": "ml.internal"})


def options(graph: Graph) -> dict[str, str]:
    lines = graph.upload("keycloak", "/opt/keycloak/conf/keycloak.conf").splitlines()
    return dict(line.split("=", 1) for line in lines)


def realms_address(graph: Graph) -> str:
    return graph.the("realm:Realm", "keycloak-realm").inputs["attributes"]["frontendUrl"]


def test_users_know_keycloak_by_one_address(dev: Graph, public: Graph):
    for graph, url in ((dev, "http://localhost:8080"), (public, "http://ml.internal:8080")):
        assert realms_address(graph) == graph.outputs["keycloak_url"] == url
        assert graph.outputs["oidc_issuer_url"] == f"{url}/realms/mlflow"


def test_administrators_log_in_on_loopback(dev: Graph):
    url = "http://localhost:18080"
    assert options(dev)["hostname"] == options(dev)["hostname-admin"] == url
    assert dev.outputs["keycloak_admin_url"] == f"{url}/admin/"
    (port,) = dev.container("keycloak").inputs["ports"]
    assert (port["ip"], port["external"]) == ("127.0.0.1", 18080)


def test_administrators_log_in_at_the_public_address_where_a_stack_says_so(public: Graph):
    url = "http://ml.internal:8080"
    assert options(public)["hostname"] == options(public)["hostname-admin"] == url
    assert public.outputs["keycloak_admin_url"] == f"{url}/admin/"


def test_services_may_ask_by_the_networks_name(dev: Graph):
    assert options(dev)["hostname-backchannel-dynamic"] == "true"


def test_keycloak_runs_for_real_on_its_own_database(dev: Graph):
    assert options(dev)["db-url-host"] == "postgres"
    assert dev.container("keycloak").inputs["command"] == ["start"]  # and not start-dev
