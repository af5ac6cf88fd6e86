"""The container as it starts, jobs included, with a model for them to call."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from mlflow_platform.server.kept import STAMPS_VARIABLE

from tests.plugin.conftest import Server, prepare, wait_for
from tests.plugin.idp import Backstage
from tests.plugin.within.judging import S3, Model

Answering = TypeVar("Answering", Model, S3)


def _until_the_end(it: Answering) -> Iterator[Answering]:
    yield it
    it.server.shutdown()
    it.server.server_close()


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    yield from _until_the_end(Model())


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    yield from _until_the_end(S3())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the plugin installed, as far as MLflow looks for it."""
    home = tmp_path_factory.mktemp("container")
    installed = home / "mlflow_platform-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mlflow-platform\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text("[mlflow.app]\nkeycloak = mlflow_platform.server.app:create_app\n")
    return home


@pytest.fixture(scope="module")
def container(home: Path, backstage: Backstage, s3: S3) -> Iterator[tuple[Server, int]]:
    """The server and the id of its first process, started by the container's own entry."""
    environment = prepare(home, backstage, log_level="warning")
    secrets = {
        "MLFLOW_BACKEND_STORE_URI": environment["_MLFLOW_SERVER_FILE_STORE"],
        **{name: environment[name] for name in environment if name.startswith("MLFLOW_PLATFORM_")},
        "MLFLOW_S3_ENDPOINT_URL": s3.url,
        "AWS_ACCESS_KEY_ID": "of-mlflow",
        "AWS_SECRET_ACCESS_KEY": "secret-of-mlflow",
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
    }
    (home / "secrets").write_text("".join(f"{name}={value}\n" for name, value in secrets.items()))
    kept = ("PATH", "HOME", "TMPDIR", "MLFLOW_PLATFORM_CONFIG", "MLFLOW_FLASK_SERVER_SECRET_KEY", "PYTHONWARNINGS")
    bare = {name: value for name, value in environment.items() if name in kept}
    bare["PYTHONPATH"] = f"{environment['PYTHONPATH']}:{home}"
    bare["PATH"] = f"{Path(sys.executable).parent}:{bare['PATH']}"
    entry = f"main(Path({str(home / 'secrets')!r}), {environment['TEST_PORT']})"
    program = f"from pathlib import Path; from mlflow_platform.server.__main__ import main; {entry}"
    log_file = home / "server.log"
    with log_file.open("w") as log:
        command = [sys.executable, "-c", program]
        process = subprocess.Popen(command, env=bare, cwd=home, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{environment['TEST_PORT']}", timeout=20, trust_env=False) as http:
            wait_for(http, process, log_file)
            yield Server(http, log_file, backstage, Path(environment[STAMPS_VARIABLE])), process.pid
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def platform(container: tuple[Server, int], model: Model) -> Server:
    """With a gateway endpoint, made by a manager."""
    server, _ = container

    def make(kind: str, **what: Any) -> Any:
        answer = server.as_member("managers", "POST", f"/api/3.0/mlflow/gateway/{kind}/create", json=what)
        assert answer.status_code == 200, answer.text
        return answer.json()

    provider = {"provider": "openai", "auth_config": {"api_base": model.url}}
    secret = make("secrets", secret_name="key", secret_value={"api_key": "sk-of-the-provider"}, **provider)
    secret_id = secret["secret"]["secret_id"]
    made = make("model-definitions", name="m", secret_id=secret_id, provider="openai", model_name="m")
    link = {"model_definition_id": made["model_definition"]["model_definition_id"], "linkage_type": "PRIMARY"}
    make("endpoints", name="judge", model_configs=[{**link, "weight": 1}], usage_tracking=False)
    return server
