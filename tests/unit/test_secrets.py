"""Where passwords go, and where they do not."""

import json
from typing import Any

import pytest

from .graph import Graph

MADE_UP = "made-up-"  # what every generated password begins with here


def holds_password(value: Any) -> bool:
    return MADE_UP in json.dumps(value)


def test_every_password_is_a_secret_wherever_it_goes(dev: Graph):
    holders = {
        (resource.name, key): key in resource.secret
        for resource in dev.resources
        for key, value in resource.inputs.items()
        if holds_password(value)
    }
    assert len(holders) > 10
    assert [holder for holder, secret in holders.items() if not secret] == []


def test_a_container_gets_passwords_as_files_alone_which_docker_inspect_does_not_show(dev: Graph):
    shown = [
        (container.name, key)
        for container in dev.of(":Container")
        for key, value in container.inputs.items()
        if key != "uploads" and holds_password(value)
    ]
    assert shown == []


def test_no_file_that_everybody_may_read_holds_a_password(dev: Graph):
    for container, path in [
        ("mlflow", "/etc/mlflow-platform/server.json"),
        ("gateway", "/etc/nginx/nginx.conf"),
        ("backup", "/etc/mlflow-platform/backup.json"),
    ]:
        assert not holds_password(dev.upload(container, path))


def test_the_tracking_server_has_no_administrators_password(dev: Graph):
    administrators = [f"{MADE_UP}{name}" for name in ("postgres-superuser", "keycloak-admin", "minio-root")]
    given = json.dumps(dev.container("mlflow").inputs)
    assert [password for password in administrators if password in given] == []


def test_every_password_is_long_and_needs_no_quoting(dev: Graph):
    passwords = dev.of(":RandomPassword")
    assert len(passwords) > 8
    assert {(password.inputs["length"], password.inputs["special"]) for password in passwords} == {(32, False)}


def test_nobody_guesses_an_access_keys_name(dev: Graph):
    """For a server that took a key's name for its signature, they were all that a forgery needed."""
    root = dev.the("pulumi:providers:minio", "minio-admin").inputs["minioUser"]
    users = {user.name: user.inputs["name"] for user in dev.of(":IamUser")}
    assert root == "KEY-MINIO-ROOT"
    assert users == {"minio-mlflow-server": "KEY-MINIO-MLFLOW-SERVER", "minio-backup": "KEY-MINIO-BACKUP"}
    assert f"MINIO_ROOT_USER={root}\n" in dev.upload("minio-1", "/run/secrets/minio.env")
    assert f"AWS_ACCESS_KEY_ID={users['minio-mlflow-server']}\n" in dev.upload("mlflow", "/run/secrets/mlflow.env")
    copying = json.loads(dev.upload("backup", "/run/secrets/backup.json"))
    assert copying["s3_access_key"] == users["minio-backup"]
    for made in dev.of(":RandomString"):
        assert (made.inputs["length"], made.inputs["lower"], made.inputs["special"]) == (20, False, False)


@pytest.mark.parametrize(
    ("output", "secret"),
    [
        ("mlflow_tracking_uri", False),
        ("s3_endpoint_url", False),
        ("minio_console_url", False),
        ("keycloak_url", False),
        ("keycloak_admin_url", False),
        ("oidc_issuer_url", False),
        ("client_id", False),
        ("artifact_bucket", False),
        ("s3_region", False),
        ("client_env", False),
        ("dev_users", True),
        ("service_clients", True),
        ("keycloak_admin", True),
        ("minio_root", True),
        ("backup_key", True),
    ],
)
def test_an_output_is_there_and_secret_where_it_holds_a_password(dev: Graph, output: str, secret: bool):
    assert (output in dev.secret_outputs) == holds_password(dev.outputs[output]) == secret


def test_the_outputs_say_who_may_log_in(dev: Graph):
    assert dev.outputs["dev_users"].keys() == {"ada", "dev", "vera", "guest"}
    assert dev.outputs["keycloak_admin"].keys() == dev.outputs["minio_root"].keys() == {"user", "password"}


def test_the_outputs_say_with_what_a_program_logs_in(dev: Graph):
    secret = f"{MADE_UP}client-keycloak-realm-ci"
    assert dev.outputs["service_clients"] == {"ci": {"client_id": "ci", "client_secret": secret}}


def test_a_service_clients_secret_is_handed_to_no_container(dev: Graph):
    given = json.dumps([container.inputs for container in dev.of(":Container")])
    assert f"{MADE_UP}client-keycloak-realm-mlflow" in given
    assert f"{MADE_UP}client-keycloak-realm-ci" not in given


def test_the_client_environment_is_ready_for_a_dotenv_file(dev: Graph):
    assert dev.outputs["client_env"]["MLFLOW_TRACKING_URI"] == dev.outputs["mlflow_tracking_uri"]
    assert dev.outputs["client_env"]["MLFLOW_S3_ENDPOINT_URL"] == dev.outputs["s3_endpoint_url"]
    assert all(isinstance(value, str) for value in dev.outputs["client_env"].values())
