"""What the container says of itself to `./platform up`: what it reaches, and nothing that is secret."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow_platform.server import probe

from tests.anything import ByPath, served_by_path

PASSWORD = "hunter2-of-postgres"
KEY = "hunter3-of-minio"


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Its settings and secrets; there is no PostgreSQL, and Keycloak and MinIO answer as they should."""
    with served_by_path() as url, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ByPath.answers = {
            "/realms/mlflow/protocol/openid-connect/certs": (200, '{"keys": [{}]}'),
            "/artifacts?list-type=2&max-keys=1": (200, "<ListBucketResult/>"),
        }
        settings = {
            "public_url": "http://mlflow.example.com",
            "issuer": "http://keycloak.example.com/realms/mlflow",
            "backchannel_url": f"{url}/realms/mlflow",
            "client_id": "mlflow-client",
            "web_client_id": "mlflow",
            "session_idle_seconds": 60,
            "session_max_seconds": 60,
            "sts_endpoint": url,
            "s3_endpoint": "http://s3.example.com",
            "s3_region": "us-east-1",
            "bucket": "artifacts",
            "teams": {},
        }
        (tmp_path / "server.json").write_text(json.dumps(settings))
        monkeypatch.setenv("MLFLOW_PLATFORM_CONFIG", str(tmp_path / "server.json"))
        database = f"postgresql+psycopg://mlflow:{PASSWORD}@127.0.0.1:{closed.getsockname()[1]}/mlflow"
        secrets = tmp_path / "secrets"
        secrets.write_text(
            f"MLFLOW_BACKEND_STORE_URI={database}\nMLFLOW_PLATFORM_AUTH_DATABASE_URI={database}\n"
            f"MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI={database}\n"
            f"AWS_ACCESS_KEY_ID=mlflow-server\nAWS_SECRET_ACCESS_KEY={KEY}\n"
        )
        for line in secrets.read_text().splitlines():  # the probe puts them into its own process's environment
            monkeypatch.setenv(line.partition("=")[0], "")
        yield secrets


def said(container: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str | None]:
    probe.main(container)
    printed = capsys.readouterr().out
    assert PASSWORD not in printed
    assert KEY not in printed
    return json.loads(printed)


def test_what_answers_is_well_and_what_does_not_is_named_with_its_reason(
    container: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = said(container, capsys)
    assert (found["its bucket"], found["Keycloak's keys"]) == (None, None)
    assert "connection" in str(found["its database"])
    assert "connection" in str(found["its database of users"])
    signed = [header for header in ByPath.authorizations if header]
    assert [header.startswith("AWS4-HMAC-SHA256 Credential=mlflow-server/") for header in signed] == [True]


def test_a_bucket_that_is_gone_and_a_realm_without_keys_are_not_well(
    container: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ByPath.answers = {"/realms/mlflow/protocol/openid-connect/certs": (200, '{"keys": []}')}
    found = said(container, capsys)
    assert "404" in str(found["its bucket"])
    assert found["Keycloak's keys"] == "the realm has no keys"


def test_no_reason_shows_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError(f"cannot parse postgresql://mlflow:{PASSWORD}@postgres/mlflow\nat line 1")

    def fail_without_a_word() -> None:
        raise TimeoutError

    found = probe.ask({"a": fail, "b": fail_without_a_word, "c": lambda: None}, [PASSWORD])
    assert found == {"a": "cannot parse postgresql://mlflow:***@postgres/mlflow", "b": "TimeoutError", "c": None}


def test_a_file_of_secrets_that_is_not_there_is_an_error_of_the_settings(tmp_path: Path) -> None:
    with pytest.raises(probe.SettingsError, match="cannot read"):
        probe.main(tmp_path / "none")
    assert "AWS_SECRET_ACCESS_KEY" not in os.environ or os.environ["AWS_SECRET_ACCESS_KEY"] != KEY
