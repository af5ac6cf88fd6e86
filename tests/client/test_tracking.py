"""MLflow sends the token to the server that it is for, and to no other, with nothing to import in the user's code."""

import subprocess
import sys
import warnings
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
from mlflow.tracking.context import registry as contexts
from mlflow.tracking.request_header import registry as headers
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from mlflow_platform.client.store import LoginFile
from mlflow_platform.client.tracking import PlatformUser

from tests.client.conftest import age
from tests.client.double import Double

pytestmark = pytest.mark.usefixtures("registered")


def ask(url: str) -> None:
    http_request(get_default_host_creds(url), "/api/2.0/mlflow/runs/get", "GET")


def authorization(server: Double) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.to("/api/")]


def token_in(file: LoginFile) -> str:
    login = file.load()
    assert login
    return login.tokens.access_token


def test_a_request_to_the_tracking_server_carries_the_token(platform: Double, logged_in: LoginFile):
    ask(platform.url)
    ask(platform.url + "/")
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"] * 2


def test_a_request_to_any_other_server_carries_none(platform: Double, logged_in: LoginFile, other: Double):
    ask(other.url)
    ask(platform.url)
    assert authorization(other) == [None]


def test_without_a_login_nothing_is_added(platform: Double):
    ask(platform.url)
    assert authorization(platform) == [None]
    assert len(platform.requests) == 1


def test_an_artifacts_address_on_another_server_gets_no_token(platform: Double, logged_in: LoginFile, other: Double):
    repository = HttpArtifactRepository(f"{other.url}/api/2.0/mlflow-artifacts/artifacts/1")
    repository.list_artifacts()
    assert authorization(other) == [None]


def test_an_artifacts_address_on_the_tracking_server_gets_it(platform: Double, logged_in: LoginFile):
    HttpArtifactRepository(f"{platform.url}/api/2.0/mlflow-artifacts/artifacts/1").list_artifacts()
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"]


def test_a_tracking_uri_that_was_changed_to_an_attackers_gets_no_token(
    platform: Double, logged_in: LoginFile, other: Double, monkeypatch: pytest.MonkeyPatch
):
    other.platform_changes = {"issuer": platform.issuer, "client_id": "mlflow-client"}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other.url)
    ask(other.url)
    assert authorization(other) == [None]


@pytest.mark.parametrize("auth", [None, "mlflow-platform"])
def test_a_redirect_to_another_server_does_not_carry_the_token(
    platform: Double, logged_in: LoginFile, other: Double, monkeypatch: pytest.MonkeyPatch, auth: str | None
):
    if auth:
        monkeypatch.setenv("MLFLOW_TRACKING_AUTH", auth)
    platform.redirect_to = other.url
    ask(platform.url)
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"]
    assert authorization(other) == [None]


def test_a_client_of_another_server_than_the_environments_is_logged_in_there(
    platform: Double, logged_in: LoginFile, other: Double, monkeypatch: pytest.MonkeyPatch
):
    for elsewhere in (other.url, ""):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
        mlflow.MlflowClient(tracking_uri=platform.url).get_run("1")
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"] * 2
    assert authorization(other) == []


def test_an_address_with_any_characters_in_its_path_gets_the_token(platform: Double, logged_in: LoginFile):
    path = "/api/2.0/mlflow-artifacts/artifacts/epoch=3,(a:b)@v1;x.ckpt"
    http_request(get_default_host_creds(platform.url), path, "GET")
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"]


def test_whoever_asks_for_headers_outside_of_a_request_gets_none(platform: Double, logged_in: LoginFile):
    assert "Authorization" not in headers.resolve_request_headers()


def test_with_both_providers_there_is_one_authorization(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlflow-platform")
    ask(platform.url)
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"]


def test_the_auth_provider_alone_sends_the_token_to_the_tracking_server_only(
    platform: Double, logged_in: LoginFile, other: Double, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(headers._request_header_provider_registry, "_registry", [])
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlflow-platform")
    ask(platform.url)
    ask(other.url)
    assert authorization(platform) == [f"Bearer {token_in(logged_in)}"]
    assert authorization(other) == [None]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "my-own"}, "Bearer my-own"),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "secret"}, "Basic bWU6c2VjcmV0"),
    ],
)
def test_the_users_own_credentials_win(
    platform: Double,
    logged_in: LoginFile,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    expected: str,
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    ask(platform.url)
    assert authorization(platform) == [expected]
    assert PlatformUser().in_context() is False


def test_in_the_servers_own_process_the_client_does_nothing(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_PLATFORM_CONFIG", "/etc/server.json")
    ask(platform.url)
    assert authorization(platform) == [None]


def test_a_run_carries_the_logins_name(platform: Double, logged_in: LoginFile):
    mlflow.set_tracking_uri(platform.url)
    assert contexts.resolve_tags()["mlflow.user"] == "dev"


def test_a_services_run_carries_its_account(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", platform.client_secret)
    mlflow.set_tracking_uri(platform.url)
    assert contexts.resolve_tags()["mlflow.user"] == "service-account-ci"


def test_elsewhere_a_run_carries_what_mlflow_says(platform: Double, logged_in: LoginFile):
    mlflow.set_tracking_uri("sqlite:///elsewhere.db")
    with warnings.catch_warnings():
        assert contexts.resolve_tags()["mlflow.user"] != "dev"


def test_a_token_that_ends_while_a_request_is_repeated_is_replaced_by_a_new_one(
    platform: Double, logged_in: LoginFile, tmp_path: Path
):
    first = token_in(logged_in)

    def accepts(authorization: str) -> bool:
        if authorization == f"Bearer {first}":
            age(logged_in, 300)
            return False
        return True

    platform.accepts = accepts
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file:
        answer = http_request(get_default_host_creds(platform.url), "/api/2.0/mlflow-artifacts", "PUT", data=file)
    assert answer and answer.status_code == 200
    assert authorization(platform) == [f"Bearer {first}", f"Bearer {token_in(logged_in)}"]
    assert [request.body for request in platform.to("/api/")] == [b"content", b"content"]


def test_a_good_token_that_is_refused_is_not_sent_again(platform: Double, logged_in: LoginFile):
    platform.accepts = lambda authorization: False
    ask(platform.url)
    assert len(authorization(platform)) == 1


def test_a_server_that_was_redirected_to_gets_no_token_by_refusing(
    platform: Double, logged_in: LoginFile, other: Double
):
    platform.redirect_to = other.url
    other.accepts = lambda authorization: False
    ask(platform.url)
    assert authorization(other) == [None]


def test_a_login_that_has_ended_is_told_and_no_request_made(platform: Double, logged_in: LoginFile):
    age(logged_in, 300)
    platform.refuses = "invalid_grant"
    with pytest.raises(MlflowException, match="run `mlflow-platform login`") as told:
        ask(platform.url)
    assert authorization(platform) == []
    assert not [secret for secret in platform.handed_out if secret in str(told.value)]


@pytest.mark.parametrize("module", ["artifacts", "tracking", "cli", "storage"])
def test_whatever_is_imported_first_mlflow_finds_everything(home: Path, module: str):
    program = (
        f"import mlflow_platform.client.{module}, mlflow\n"
        "from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository\n"
        "from mlflow.tracking.context.registry import _run_context_provider_registry as contexts\n"
        "print(type(get_artifact_repository('s3://a/b')).__name__, [type(it).__name__ for it in contexts])"
    )
    done = subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PlatformS3ArtifactRepository ")
    assert "PlatformUser" in done.stdout
