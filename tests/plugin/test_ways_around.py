"""Ways past one's own rights through what MLflow does in its own name, with its storage and its providers' keys."""

import re

import pytest

from tests.plugin.conftest import TEAMS, Server

SECRETS = "/api/3.0/mlflow/gateway/secrets"


@pytest.mark.parametrize("team", TEAMS)
def test_nobody_writes_or_signs_with_mlflows_own_storage_user(
    server: Server, routes: list[tuple[str, str]], team: str
) -> None:
    closed = [(m, p) for m, p in routes if "upload-artifact" in p or "presigned-" in p]
    assert {path.rpartition("/")[2] for _, path in closed} == {
        "upload-artifact",
        "presigned-upload-url",
        "presigned-download-url",
    }
    for method, path in [*closed, ("POST", "/ajax-api//2.0/mlflow//upload-artifact")]:
        answer = server.as_member(team, method, path, params={"run_uuid": "x", "path": "model.pkl"})
        assert answer.status_code == 403, (method, path)


@pytest.fixture(scope="module")
def secret_id(server: Server) -> str:
    """A model provider's key that a manager keeps in MLflow."""
    body = {"secret_name": "theirs", "secret_value": {"api_key": "sk-theirs"}, "provider": "openai"}
    made = server.as_member("managers", "POST", f"{SECRETS}/create", json=body)
    assert made.status_code == 200, made.text
    return made.json()["secret"]["secret_id"]


def test_who_may_edit_sends_no_providers_key_elsewhere(server: Server, secret_id: str) -> None:
    elsewhere = {"secret_id": secret_id, "auth_config": {"api_base": "https://mallory.example"}}
    for team in ("editors", "users", "viewers"):
        assert server.as_member(team, "POST", f"{SECRETS}/update", json=elsewhere).status_code == 403, team
        assert server.as_member(team, "DELETE", f"{SECRETS}/delete", json={"secret_id": secret_id}).status_code == 403
    rotated = {"secret_id": secret_id, "secret_value": {"api_key": "sk-newer"}}
    assert server.as_member("editors", "POST", f"{SECRETS}/update", json=rotated).status_code == 403
    assert server.as_member("managers", "POST", f"{SECRETS}/update", json=rotated).status_code == 200


def test_who_may_edit_uses_providers_keys_and_never_sees_them(server: Server, secret_id: str) -> None:
    shown = server.as_member("editors", "GET", f"{SECRETS}/get", params={"secret_id": secret_id})
    assert shown.status_code == 200
    assert not {"sk-theirs", "sk-newer"} & set(re.findall(r"[\w-]+", shown.text))
    model = {"name": "by-an-editor", "secret_id": secret_id, "provider": "openai", "model_name": "any"}
    made = server.as_member("editors", "POST", "/api/3.0/mlflow/gateway/model-definitions/create", json=model)
    assert made.status_code == 200, made.text
