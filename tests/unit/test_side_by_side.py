"""Two stacks on one machine."""

import json

import pytest

from .graph import DEV, PROJECT, Graph, declare


@pytest.fixture(scope="module")
def other() -> Graph:
    ports = {"mlflow": 1, "keycloak": 2, "s3": 3, "console": 4}
    admin_ports = {"admin_postgres": 5, "admin_keycloak": 6, "admin_minio": 7}
    return declare({**DEV, f"{PROJECT}:ports": json.dumps({**ports, **admin_ports})}, stack="other")


def names(graph: Graph, token: str) -> set[str]:
    return {resource.inputs["name"] for resource in graph.of(token)}


def ports(graph: Graph) -> set[int]:
    return {port["external"] for container in graph.of(":Container") for port in container.inputs.get("ports", [])}


@pytest.mark.parametrize("token", [":Container", ":Volume", "network:Network"])
def test_they_share_no_name(dev: Graph, other: Graph, token: str):
    assert names(dev, token)
    assert not names(dev, token) & names(other, token)


def test_they_share_no_port_where_the_settings_say_so(dev: Graph, other: Graph):
    assert ports(other) == {1, 2, 3, 4, 5, 6, 7}
    assert not ports(dev) & ports(other)


def test_every_address_follows_the_ports(other: Graph):
    assert other.outputs["mlflow_tracking_uri"] == "http://localhost:1"
    assert other.outputs["oidc_issuer_url"] == "http://localhost:2/realms/mlflow"
    assert other.outputs["s3_endpoint_url"] == "http://localhost:3"
    assert other.outputs["minio_console_url"] == "http://localhost:4"
    told = json.loads(other.upload("mlflow", "/etc/mlflow-platform/server.json"))
    assert (told["public_url"], told["s3_endpoint"]) == ("http://localhost:1", "http://localhost:3")
    assert other.of("pulumi:providers:minio")[0].inputs["minioServer"] == "127.0.0.1:7"
