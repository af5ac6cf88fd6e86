"""What is there before what: nothing is asked of a server that does not answer yet."""

import pytest

from .graph import Graph


def names(graph: Graph, token: str) -> set[str]:
    return {resource.name for resource in graph.of(token)}


@pytest.mark.parametrize(
    ("package", "servers"),
    [
        ("postgresql", {"postgres"}),
        ("keycloak", {"keycloak"}),
        ("minio", {"minio-1", "minio-2", "minio-3", "minio-4"}),
    ],
)
def test_what_lives_on_a_server_waits_for_its_container_and_uses_an_explicit_provider(
    cluster: Graph, package: str, servers: set[str]
):
    on_server = [resource for resource in cluster.resources if resource.token.startswith(f"{package}:")]
    (provider,) = cluster.of(f"pulumi:providers:{package}")
    assert on_server
    for resource in on_server:
        before = cluster.before(resource)
        assert provider in before, resource.name
        assert servers <= {other.name for other in before if other.token.endswith(":Container")}, resource.name


def test_a_provider_is_told_where_its_server_is_without_waiting_for_anything_so_that_a_preview_works(dev: Graph):
    addresses = {"postgresql": ("host", "port"), "keycloak": ("url",), "minio": ("minioServer",)}
    told = {
        package: [(dev.of(f"pulumi:providers:{package}")[0].inputs[key]) for key in keys]
        for package, keys in addresses.items()
    }
    assert told == {
        "postgresql": ["127.0.0.1", "15432"],
        "keycloak": ["http://127.0.0.1:18080"],
        "minio": ["127.0.0.1:19000"],
    }
    assert dev.of("pulumi:providers:keycloak")[0].inputs["initialLogin"] == "false"


@pytest.mark.parametrize(
    ("service", "databases"),
    [("keycloak", {"postgres-keycloak-public"}), ("mlflow", {"postgres-mlflow-public", "postgres-mlflow-auth-public"})],
)
def test_a_service_starts_once_its_databases_are_closed_to_everybody_else(
    dev: Graph, service: str, databases: set[str]
):
    before = {other.name for other in dev.before(dev.container(service)) if other.token.endswith(":Grant")}
    assert databases <= before


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_minio_starts_once_the_realm_gives_complete_tokens(cluster: Graph, number: int):
    before = {(other.token, other.name) for other in cluster.before(cluster.container(f"minio-{number}"))}
    for token in (":Client", ":ClientDefaultScopes", "ProtocolMapper"):
        wanted = {(resource.token, resource.name) for resource in cluster.of(token)}
        assert len(wanted) >= 3
        assert wanted <= before


def test_the_nodes_of_a_cluster_start_together_for_none_is_healthy_alone(cluster: Graph):
    nodes = {node for node in cluster.services if node.name.startswith("minio-")}
    assert len(nodes) == 4
    assert all(not nodes & cluster.before(node) for node in nodes)


def test_a_bucket_keeps_versions_once_it_is_there(dev: Graph):
    assert dev.of(":S3Bucket")[0] in dev.before(dev.of(":S3BucketVersioning")[0])


def test_what_changes_the_bucket_comes_in_a_row_for_two_changes_at_once_lose_one(dev: Graph):
    (bucket,), (versioning,), (lifecycle,) = dev.of(":S3Bucket"), dev.of(":S3BucketVersioning"), dev.of(":IlmPolicy")
    assert {bucket, versioning} <= dev.before(lifecycle)


def test_a_policy_is_attached_once_it_and_its_user_are_there(dev: Graph):
    attachments = dev.of(":IamUserPolicyAttachment")
    assert {attachment.name for attachment in attachments} == {"minio-mlflow-server", "minio-backup"}
    for attachment in attachments:
        before = dev.before(attachment)
        assert dev.the(":IamUser", attachment.name) in before
        assert dev.the(":IamPolicy", attachment.name) in before


def test_people_and_programs_are_put_in_groups_once_both_are_there(dev: Graph):
    for membership in dev.of(":UserGroups"):
        before = dev.before(membership)
        groups = {other.urn for other in before if other.token.endswith(":Group")}
        assert len(groups) == len(membership.inputs["groupIds"])
        assert [other for other in before if other.token.endswith((":User", "openid/client:Client"))]


def test_mlflow_starts_once_it_has_a_client_and_does_not_wait_for_minio(dev: Graph):
    before = dev.before(dev.container("mlflow"))
    assert dev.the("openid/client:Client", "keycloak-realm-mlflow") in before
    assert dev.container("minio-1") not in before


def test_every_part_is_inside_a_component(dev: Graph):
    inside = {resource.name for resource in dev.resources if "$" in resource.urn}
    outside = {resource.name for resource in dev.resources if not resource.token.startswith("mlflow-platform:")}
    assert outside - {"mlflow-platform-dev"} <= inside
