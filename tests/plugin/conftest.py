"""The real app, under uvicorn with two workers on SQLite, and a realm to get tokens from."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow_platform.server.__main__ import auth_config, make_workspaces, migrate
from mlflow_platform.server.kept import STAMPS_VARIABLE, make_stamps
from mlflow_platform.server.settings import Settings
from mlflow_platform.server.trail.keycloak import METADATA as KEYCLOAKS_TABLES
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import create_engine

from tests.plugin.browsing import Browser
from tests.plugin.idp import WEB_CLIENT_SECRET, Backstage, Realm, Sts
from tests.plugin.web_logins import Person

ROOT = Path(__file__).parents[2]
TEAMS = {"admins": "ADMIN", "managers": "MANAGE", "editors": "EDIT", "users": "USE", "viewers": "READ"}
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)(?::\w+)?\}")  # of a route, as Flask and FastAPI write it
STORAGE_EVENTS_TOKEN = "the token of the object store's servers"
READS = {"vision": ["vision/"], "nothing": []}  # teams of editors; all others read all of the bucket


@pytest.fixture(scope="session")
def backstage() -> Iterator[Backstage]:
    backstage = Backstage()
    yield backstage
    backstage.close()


@pytest.fixture(scope="session")
def environment(backstage: Backstage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return prepare(tmp_path_factory.mktemp("server"), backstage)


def prepare(home: Path, backstage: Backstage, **settings: object) -> dict[str, str]:
    """What the container's entry sets up, on databases of its own: the environment of a server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "public_url": f"http://127.0.0.1:{port}",
        "issuer": Realm.issuer,
        "backchannel_url": f"{backstage.url}/realms/test",
        "audience": "mlflow",
        "client_id": "mlflow-client",
        "web_client_id": "mlflow",
        "session_idle_seconds": 3600,
        "session_max_seconds": 7200,
        "sts_endpoint": backstage.url,
        "s3_endpoint": "http://s3.example:9000",
        "s3_region": "us-east-1",
        "bucket": "mlflow",
        "teams": {
            **{team: {"levels": {"default": level}, "reads": [""]} for team, level in TEAMS.items()},
            **{team: {"levels": {"default": "EDIT"}, "reads": reads} for team, reads in READS.items()},
        },
        "log_level": "debug",
        **settings,
    }
    (home / "server.json").write_text(json.dumps(config))
    backend, auth = f"sqlite:///{home}/mlflow.db", f"sqlite:///{home}/auth.db"
    known = Settings.model_validate(config)
    migrate(backend, auth)
    make_workspaces(backend, known)
    keycloaks = f"sqlite:///{home}/keycloak.db"
    KEYCLOAKS_TABLES.create_all(create_engine(keycloaks))
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}/plugin",
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_PLATFORM_CONFIG": str(home / "server.json"),
        "MLFLOW_PLATFORM_AUTH_DATABASE_URI": auth,
        "MLFLOW_AUTH_CONFIG_PATH": auth_config(auth),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key for tests",
        "MLFLOW_PLATFORM_WEB_CLIENT_SECRET": WEB_CLIENT_SECRET,
        "MLFLOW_PLATFORM_SESSION_KEY": "the key material for tests",
        "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI": keycloaks,
        "MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN": STORAGE_EVENTS_TOKEN,
        "AWS_ACCESS_KEY_ID": "mlflow-server",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        STAMPS_VARIABLE: make_stamps(home),
        "MLFLOW_LOGGING_LEVEL": "DEBUG",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **known.environment,
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"127.0.0.1:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{port}",
        # What `mlflow server` hands to its workers.
        "_MLFLOW_SGI_NAME": "uvicorn",
        "_MLFLOW_SERVER_FILE_STORE": backend,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "s3://mlflow",
        "TEST_HOME": str(home),
        "TEST_PORT": str(port),
    }


@dataclass(frozen=True)
class Server:
    """The running app: a client without credentials, and its log so far."""

    http: httpx.Client
    log_file: Path
    backstage: Backstage
    stamps: Path

    @property
    def realm(self) -> Realm:
        return self.backstage.realm

    @property
    def sts(self) -> Sts:
        return self.backstage.sts

    def ask(
        self, token: str | None, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token is not None else {})}
        return self.http.request(method, path, headers=headers, **options)

    def as_member(self, team: str, method: str, path: str, **options: Any) -> httpx.Response:
        return self.ask(self.realm.token(f"member-of-{team}", (team,)), method, path, **options)

    def done(self, path: str, *, team: str = "editors", method: str = "POST", **body: Any) -> Any:
        """The answer to a member's request that has to succeed."""
        answer = self.as_member(team, method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send_span(self, **attributes: str) -> tuple[str, httpx.Response]:
        """As any OTLP exporter does, for an editor: the trace's id, and the answer."""
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add()
        span.trace_id, span.span_id, span.name = os.urandom(16), os.urandom(8), "answer"
        span.start_time_unix_nano, span.end_time_unix_nano = time.time_ns() - 10**9, time.time_ns()
        for name, value in attributes.items():
            span.attributes.add(key=name).value.string_value = value
        headers = {"Content-Type": "application/x-protobuf", "X-Mlflow-Experiment-Id": "0"}
        content = request.SerializeToString()
        answer = self.as_member("editors", "POST", "/v1/traces", headers=headers, content=content)
        return f"tr-{span.trace_id.hex()}", answer


@pytest.fixture(scope="session")
def server(environment: dict[str, str], backstage: Backstage) -> Iterator[Server]:
    with serving(environment, backstage) as server:
        yield server


@contextmanager
def serving(environment: dict[str, str], backstage: Backstage) -> Iterator[Server]:
    """The app under uvicorn, until the block ends."""
    home, port = Path(environment["TEST_HOME"]), environment["TEST_PORT"]
    logging = json.loads((ROOT / "plugin/mlflow_platform/server/logging.json").read_text())
    for logger in logging["loggers"].values():
        logger["level"] = "DEBUG"  # every secret that could reach a log should have its chance
    logging["root"] = {"handlers": ["default"], "level": "DEBUG"}
    (home / "logging.json").write_text(json.dumps(logging))
    log_file = home / "server.log"
    command = [sys.executable, "-m", "uvicorn", "--factory", "mlflow_platform.server.app:create_app", "--workers=2"]
    options = ["--host=127.0.0.1", f"--port={port}", f"--log-config={home}/logging.json", "--loop=uvloop"]
    with log_file.open("w") as log:
        process = subprocess.Popen([*command, *options], env=environment, cwd=home, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False) as http:
            wait_for(http, process, log_file)
            yield Server(http, log_file, backstage, Path(environment[STAMPS_VARIABLE]))
    finally:
        process.terminate()
        process.wait(20)


def wait_for(http: httpx.Client, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if http.get("/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start:\n{log_file.read_text()[-4000:]}")


@pytest.fixture
def ada() -> Person:
    """Somebody whose sessions are nobody else's."""
    return Person(f"ada-{time.monotonic_ns()}")


@pytest.fixture
def browser(server: Server, ada: Person) -> Browser:
    """Hers, logged in."""
    browser = Browser(server)
    assert browser.log_in(ada).status_code == 303
    return browser


@pytest.fixture(scope="session")
def routes(environment: dict[str, str]) -> list[tuple[str, str]]:
    """Every method and path that the app has, with parameters filled in."""
    return sorted({(method, PARAMETER.sub("1", path)) for method, path in listed_routes(environment)})


def listed_routes(environment: dict[str, str]) -> list[tuple[str, str]]:
    """Every method and path that the app has, asked of the app itself."""
    script = Path(__file__).with_name("list_routes.py")
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
    return [(method, path) for method, path in json.loads(done.stdout.splitlines()[-1])]
