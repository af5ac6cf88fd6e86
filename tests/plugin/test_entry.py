"""How the container starts: what it is told, what it refuses to be told, and where secrets may not show."""

import json
import logging
import os
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from mlflow_platform.server.__main__ import arguments, auth_config
from mlflow_platform.server.logs import WithoutQuery
from mlflow_platform.server.settings import Settings, SettingsError, load_secrets, load_settings

CONFIG = {
    "public_url": "https://mlflow.example.com/",
    "issuer": "https://keycloak.example.com/realms/mlflow",
    "backchannel_url": "http://keycloak:8080/realms/mlflow",
    "audience": "mlflow",
    "client_id": "mlflow-client",
    "web_client_id": "mlflow",
    "session_idle_seconds": 28800,
    "session_max_seconds": 259200,
    "sts_endpoint": "http://minio:9000",
    "s3_endpoint": "https://s3.example.com",
    "s3_region": "us-east-1",
    "bucket": "mlflow",
    "teams": {"editors": {"levels": {"default": "EDIT"}}},
    "workers": 3,
    "forwarded_allow_ips": "10.0.0.0/8",
}


def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **changes: Any) -> Settings:
    path = tmp_path / "server.json"
    path.write_text(json.dumps({**CONFIG, **changes}))
    monkeypatch.setenv("MLFLOW_PLATFORM_CONFIG", str(path))
    return load_settings()


def test_the_contracts_settings_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load(monkeypatch, tmp_path).public_url == "https://mlflow.example.com"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"teams": {"editors": {"levels": {"default": "WRITE"}}}}, "teams.editors.levels.default"),
        ({"worker": 2}, "worker"),
        ({"workers": 0}, "workers"),
        ({"issuer": "keycloak"}, "issuer"),
        ({"bucket": ""}, "bucket"),
    ],
)
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        load(monkeypatch, tmp_path, **changes)


def test_the_command_line_is_behind_the_proxy_and_has_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    line = arguments(load(monkeypatch, tmp_path))
    assert "--allowed-hosts=mlflow.example.com" in line
    assert "--cors-allowed-origins=https://mlflow.example.com" in line
    assert "--no-serve-artifacts" in line
    assert not [word for word in line if "store-uri" in word]


def test_mlflows_auth_file_is_private_and_keeps_a_percent_sign() -> None:
    path = Path(auth_config("postgresql+psycopg://mlflow:p%40ss@db/auth"))
    assert path.stat().st_mode & 0o777 == 0o600
    config = ConfigParser()
    config.read(path)
    assert config["mlflow"]["database_uri"] == "postgresql+psycopg://mlflow:p%40ss@db/auth"
    path.unlink()


def test_secrets_become_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("A_TEST_SECRET", "")
    (tmp_path / "env").write_text("# a comment\n\nA_TEST_SECRET=a=b c\n")
    load_secrets(tmp_path / "env")
    assert os.environ["A_TEST_SECRET"] == "a=b c"


def test_a_broken_line_of_secrets_is_named_by_its_number_only(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("hunter2\n")
    with pytest.raises(SettingsError, match="line 1") as caught:
        load_secrets(tmp_path / "env")
    assert "hunter2" not in str(caught.value)


def test_an_access_record_loses_its_query() -> None:
    record = logging.makeLogRecord({"args": ("1.2.3.4:5", "GET", "/a?token=x", "1.1", 200)})
    assert WithoutQuery().filter(record)
    assert record.args == ("1.2.3.4:5", "GET", "/a", "1.1", 200)
