"""What PostgreSQL, MinIO and MLflow are told."""

import json
from typing import Any

import pytest
from mlflow_platform.server.settings import Settings as PluginSettings

from .graph import DEV, PROJECT, Graph, declare


@pytest.mark.parametrize("database", ["keycloak", "mlflow", "mlflow_auth"])
def test_a_database_is_its_own_roles_and_the_public_may_not_connect(dev: Graph, database: str):
    name = f"postgres-{database.replace('_', '-')}"
    owner = dev.the(":Role", name).inputs
    assert dev.the("database:Database", name).inputs["owner"] == owner["name"] == database
    assert owner["login"]
    assert not owner.keys() & {"superuser", "createDatabase", "createRole", "roles"}
    public = dev.the(":Grant", f"{name}-public").inputs
    assert (public["role"], public["database"], public["objectType"]) == ("public", database, "database")
    assert public["privileges"] == []


def data(server: dict[str, Any]) -> list[dict[str, Any]]:
    return [volume for volume in server["volumes"] if "volumeName" in volume]


def test_one_minio_has_one_drive(dev: Graph):
    server = dev.container("minio-1").inputs
    assert server["command"] == ["server", "/data1", "--address", ":9000", "--console-address", ":9001"]
    assert [volume["containerPath"] for volume in data(server)] == ["/data1"]


def test_every_node_of_a_cluster_names_all_drives_of_all_nodes(cluster: Graph):
    nodes = [f"minio-{number}" for number in (1, 2, 3, 4)]
    commands = [cluster.container(node).inputs["command"] for node in nodes]
    assert commands == [
        [
            "server",
            "http://minio-{1...4}:9000/data{1...2}",
            "--address",
            ":9000",
            "--console-address",
            ":9001",
        ]
    ] * len(nodes)


def test_every_node_has_drives_of_its_own_and_a_name_that_all_share(cluster: Graph):
    volumes = []
    for number in (1, 2, 3, 4):
        server = cluster.container(f"minio-{number}").inputs
        assert server["networksAdvanced"][0]["aliases"] == [f"minio-{number}", "minio"]
        assert [volume["containerPath"] for volume in data(server)] == ["/data1", "/data2"]
        volumes += [volume["volumeName"] for volume in data(server)]
    assert len(set(volumes)) == 8


def test_all_nodes_have_the_same_root_and_the_same_issuer(cluster: Graph):
    nodes = [cluster.container(f"minio-{number}").inputs for number in (1, 2, 3, 4)]
    files = [cluster.container(f"minio-{number}-files").inputs["uploads"] for number in (1, 2, 3, 4)]
    assert all(node["envs"] == nodes[0]["envs"] for node in nodes)
    assert all(held == files[0] for held in files)


def test_people_get_into_minio_by_keycloak(dev: Graph):
    told = dict(line.split("=", 1) for line in dev.container("minio-1").inputs["envs"])
    issuer = "http://keycloak:8080/realms/mlflow"
    assert told["MINIO_IDENTITY_OPENID_CONFIG_URL_KEYCLOAK"] == f"{issuer}/.well-known/openid-configuration"
    assert told["MINIO_IDENTITY_OPENID_CLIENT_ID_KEYCLOAK"] == "minio"
    assert told["MINIO_IDENTITY_OPENID_CLAIM_NAME_KEYCLOAK"] == "policy"
    assert told["MINIO_IDENTITY_OPENID_SCOPES_KEYCLOAK"] == "openid"  # unsaid, offline access too
    assert told["MINIO_IDENTITY_OPENID_REDIRECT_URI_KEYCLOAK"] == "http://localhost:9001/oauth_callback"


@pytest.mark.parametrize(("lifetimes", "lasting"), [({}, "3600s"), ({"storage_credentials": "token"}, "900s")])
def test_a_session_at_the_console_lasts_no_longer_than_other_credentials(lifetimes: dict[str, str], lasting: str):
    graph = declare({**DEV, f"{PROJECT}:lifetimes": json.dumps(lifetimes)})
    assert f"MINIO_BROWSER_SESSION_DURATION={lasting}" in graph.container("minio-1").inputs["envs"]


def test_the_bucket_is_private_keeps_versions_and_is_never_emptied(dev: Graph):
    (bucket,) = dev.of(":S3Bucket")
    assert (bucket.inputs["bucket"], bucket.inputs["acl"]) == ("mlflow", "private")
    assert not bucket.inputs.get("forceDestroy")
    (versioning,) = dev.of(":S3BucketVersioning")
    assert versioning.inputs["versioningConfiguration"] == {"status": "Enabled"}


def test_each_minio_tells_mlflow_what_was_asked_of_it_with_a_token_that_both_know(cluster: Graph):
    token = dict(line.split("=", 1) for line in cluster.upload("mlflow", "/run/secrets/mlflow.env").splitlines())
    for number in (1, 2, 3, 4):
        told = dict(line.split("=", 1) for line in cluster.container(f"minio-{number}").inputs["envs"])
        assert told["MINIO_AUDIT_WEBHOOK_ENABLE_MLFLOW"] == "on"
        assert told["MINIO_AUDIT_WEBHOOK_ENDPOINT_MLFLOW"] == "http://mlflow:5000/platform/storage-events"
        assert int(told["MINIO_AUDIT_WEBHOOK_QUEUE_SIZE_MLFLOW"]) < 5000  # entries of up to 100 KB, in a GB
        said = cluster.upload(f"minio-{number}", "/run/secrets/minio.env")
        assert f"MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_MLFLOW={token['MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN']}\n" in said


def test_mlflow_reads_two_tables_of_keycloaks_and_no_more(dev: Graph):
    grants = [grant for grant in dev.of(":Grant") if grant.inputs["role"] == "mlflow_auth"]
    assert {(g.inputs["database"], g.inputs["objectType"], *g.inputs["privileges"]) for g in grants} == {
        ("keycloak", "database", "CONNECT"),
        ("keycloak", "table", "SELECT"),
    }
    (tables,) = (grant for grant in grants if grant.inputs["objectType"] == "table")
    assert tables.inputs["objects"] == ["admin_event_entity", "event_entity"]
    assert dev.container("keycloak") in dev.before(tables)  # which makes them at its first start


def test_every_policy_that_a_group_names_is_there(dev: Graph):
    canned = {"consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"}
    named = {group.inputs["attributes"]["policy"] for group in dev.of(":Group")}
    assert named - canned <= {policy.inputs["name"] for policy in dev.of(":IamPolicy")}


def test_mlflow_is_told_where_everything_is_and_who_may_do_what(dev: Graph):
    told = json.loads(dev.upload("mlflow", "/etc/mlflow-platform/server.json"))
    assert told == {
        "public_url": "http://localhost:5000",
        "issuer": "http://localhost:8080/realms/mlflow",
        "backchannel_url": "http://keycloak:8080/realms/mlflow",
        "audience": "mlflow",
        "client_id": "mlflow-client",
        "web_client_id": "mlflow",
        "deleted_days": 30,
        "events_days": 90,
        "session_idle_seconds": 28800,
        "session_max_seconds": 259200,
        "sts_endpoint": "http://minio:9000",
        "s3_endpoint": "http://localhost:9000",
        "s3_region": "us-east-1",
        "bucket": "mlflow",
        "storage_credentials_seconds": 3600,
        "teams": {
            "platform-admins": {"levels": {"default": "ADMIN"}, "reads": [""]},
            "model-developers": {"levels": {"default": "EDIT"}, "reads": [""]},
            "model-viewers": {"levels": {"default": "READ"}, "reads": [""]},
        },
        "workspaces": [],
        "password_grant": False,
        "workers": 2,
        "log_level": "info",
        "forwarded_allow_ips": "*",
    }


def test_the_server_itself_takes_what_it_is_told(dev: Graph):
    PluginSettings.model_validate_json(dev.upload("mlflow", "/etc/mlflow-platform/server.json"))


def test_mlflows_secrets_are_one_value_a_line_for_a_shell(dev: Graph):
    lines = dev.upload("mlflow", "/run/secrets/mlflow.env").splitlines()
    secrets = dict(line.split("=", 1) for line in lines)
    assert secrets.keys() == {
        "MLFLOW_BACKEND_STORE_URI",
        "MLFLOW_PLATFORM_AUTH_DATABASE_URI",
        "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI",
        "MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_FLASK_SERVER_SECRET_KEY",
        "MLFLOW_PLATFORM_WEB_CLIENT_SECRET",
        "MLFLOW_PLATFORM_SESSION_KEY",
        "MLFLOW_CRYPTO_KEK_PASSPHRASE",
    }
    assert secrets["MLFLOW_BACKEND_STORE_URI"] == (
        "postgresql+psycopg://mlflow:made-up-postgres-mlflow@postgres:5432/mlflow"
    )
    assert secrets["MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI"] == (
        "postgresql+psycopg://mlflow_auth:made-up-postgres-mlflow-auth@postgres:5432/keycloak"
    )
    assert secrets["MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN"] == "made-up-minio-events"
    assert secrets["MLFLOW_PLATFORM_WEB_CLIENT_SECRET"] == "made-up-client-keycloak-realm-mlflow"
    assert secrets["MLFLOW_PLATFORM_SESSION_KEY"] == "made-up-mlflow-session"
    assert secrets["MLFLOW_CRYPTO_KEK_PASSPHRASE"] == "made-up-mlflow-providers"
    assert secrets["AWS_ACCESS_KEY_ID"] == dev.the(":IamUser", "minio-mlflow-server").inputs["name"]
