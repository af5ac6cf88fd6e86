"""Jobs: the container as it starts, a judge that calls a model for a user, and nobody else who could in her name."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.kept import STAMPS_VARIABLE
from mlflow_platform.server.within.jobs import TOKEN_VARIABLE, Jobs, within

from tests.plugin.conftest import TEAMS, Server, prepare, wait_for
from tests.plugin.idp import Backstage

MODEL = "/gateway/mlflow/v1/chat/completions"
ASKED = {"model": "judge", "messages": [{"role": "user", "content": "hello"}]}


class Model:
    """An OpenAI of our own, which finds every answer good."""

    def __init__(self) -> None:
        model = self
        self.asked: list[dict[str, str]] = []
        verdict = json.dumps({"result": "yes", "rationale": "because"})
        message = {"role": "assistant", "content": verdict}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": {}}
        body = json.dumps({**answer, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                model.asked.append({name.lower(): value for name, value in self.headers.items()})
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model()
    yield model
    model.server.shutdown()
    model.server.server_close()


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
def container(home: Path, backstage: Backstage) -> Iterator[tuple[Server, int]]:
    """The server and the id of its first process, started by the container's own entry."""
    environment = prepare(home, backstage, log_level="warning")
    secrets = {
        "MLFLOW_BACKEND_STORE_URI": environment["_MLFLOW_SERVER_FILE_STORE"],
        **{name: environment[name] for name in environment if name.startswith("MLFLOW_PLATFORM_")},
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


@pytest.fixture(scope="module")
def job_token(container: tuple[Server, int]) -> str:
    """What only this container's processes know, read from one of them."""
    children = Path(f"/proc/{container[1]}/task/{container[1]}/children").read_text().split()
    lines = [line for pid in children for line in Path(f"/proc/{pid}/environ").read_text().split("\0")]
    return next(line for line in lines if line.startswith(TOKEN_VARIABLE)).partition("=")[2]


def as_job(server: Server, user: str, token: str, path: str = MODEL, **headers: str) -> httpx.Response:
    credentials = base64.b64encode(f"{user}:{token}".encode()).decode()
    return server.http.post(path, headers={"Authorization": f"Basic {credentials}", **headers}, json=ASKED)


def trace(server: Server) -> str:
    """A trace of an editor's, with something to judge."""
    id, answer = server.send_span(**{"mlflow.spanInputs": '{"q": 1}', "mlflow.spanOutputs": '{"a": 2}'})
    assert answer.status_code == 200, answer.text
    return id


JUDGE = {
    "name": "good",
    "aggregations": [],
    "mlflow_version": "3.17.2",
    "serialization_version": 1,
    "instructions_judge_pydantic_data": {
        "instructions": "Is {{ outputs }} a good answer to {{ inputs }}?",
        "model": "gateway:/judge",
        "feedback_value_type": {"title": "Result", "type": "string"},
    },
}


def test_a_judge_calls_the_model_for_who_started_it(platform: Server, model: Model, job_token: str) -> None:
    traces = [trace(platform)]
    what = {"experiment_id": "0", "serialized_scorer": json.dumps(JUDGE), "trace_ids": traces, "log_assessments": True}
    started = platform.as_member("editors", "POST", "/ajax-api/3.0/mlflow/scorer/invoke", json=what)
    assert started.status_code == 200, started.text
    path = f"/ajax-api/3.0/jobs/{started.json()['jobs'][0]['job_id']}"
    deadline = time.monotonic() + 120
    while (job := platform.as_member("editors", "GET", path).json())["status"] in ("PENDING", "RUNNING"):
        assert time.monotonic() < deadline, platform.log_file.read_text()[-4000:]
        time.sleep(0.5)
    assert (job["status"], job["creator"], job["params"]["username"]) == ("SUCCEEDED", *["member-of-editors"] * 2)
    assert job["result"][traces[0]]["assessments"][0]["feedback"] == {"value": "yes"}
    assert model.asked[-1]["authorization"] == "Bearer sk-of-the-provider"
    assert job_token not in json.dumps([job, model.asked]) + platform.log_file.read_text()
    assert platform.as_member("managers", "GET", path).status_code == 403
    assert " INFO mlflow" not in platform.log_file.read_text()  # the container's log level reaches the job runner


def test_a_job_has_the_rights_of_its_user_and_no_more(platform: Server, model: Model, job_token: str) -> None:
    for team, status in {"users": 200, "viewers": 403, "editors": 200, "admins": 200}.items():
        assert platform.as_member(team, "GET", "/api/2.0/mlflow/users/current").status_code == 200
        assert as_job(platform, f"member-of-{team}", job_token).status_code == status, team
    assert as_job(platform, "nobody-at-all", job_token).status_code == 403
    assert as_job(platform, "", job_token).status_code == 403
    assert "sk-of-the-provider" in model.asked[-1]["authorization"]


def test_who_left_every_team_has_no_jobs_either(platform: Server, job_token: str) -> None:
    for teams, status in ((("editors",), 200), ((), 403)):
        platform.ask(platform.realm.token("leaver", teams), "GET", "/api/2.0/mlflow/users/current")
        assert as_job(platform, "leaver", job_token).status_code == status


@pytest.mark.parametrize(
    "forwarded",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "198.51.100.1"},
        {"X-Forwarded-Proto": "http"},
        {"Forwarded": "for=127.0.0.1"},
        {"Host": "mlflow.example.com"},
        {"Host": "localhost"},
    ],
)
def test_the_jobs_token_is_worth_nothing_through_the_gateway(
    platform: Server, job_token: str, forwarded: dict[str, str]
) -> None:
    assert as_job(platform, "member-of-editors", job_token, **forwarded).status_code in (401, 403)


@pytest.mark.parametrize(
    "path",
    [
        "/gateway/judge/mlflow/invocations",
        "/gateway/proxy/judge/v1/models",
        "/gateway/mlflow/v1/chat/completions/",
        "/gateway/mlflow/v1//chat/completions",
        "/api/2.0/mlflow/experiments/search",
        "/ajax-api/3.0/jobs/",
        "/v1/traces",
    ],
)
def test_the_jobs_token_opens_no_other_route(platform: Server, job_token: str, path: str) -> None:
    assert as_job(platform, "member-of-editors", job_token, path).status_code == 401


def test_a_wrong_token_is_no_token(platform: Server, job_token: str) -> None:
    for token in ("", "x", job_token[:-1], job_token + "x", job_token.upper() + " "):
        assert as_job(platform, "member-of-editors", token).status_code == 401


@pytest.mark.parametrize("team", TEAMS)
def test_nobody_starts_a_job_by_hand(server: Server, team: str) -> None:
    """MLflow would take the name of another user among the parameters."""
    job = {"job_name": "invoke_scorer", "params": {"username": "member-of-admins"}}
    for path in ("/ajax-api/3.0/jobs/", "/ajax-api/3.0/jobs", "/ajax-api/3.0//jobs//"):
        answer = server.as_member(team, "POST", path, json=job)
        assert answer.status_code == 403, path


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def proportional_mb(pid: int) -> float:
    """Its own memory, and its part of what it shares."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1]) / 1024


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def test_the_containers_processes_share_one_image_of_memory(container: tuple[Server, int]) -> None:
    processes = family(container[1])
    assert len(processes) == 5, list(map(command, processes))  # the first, two workers, runner, periodic tasks
    used = {pid: round(proportional_mb(pid)) for pid in processes}
    assert sum(used.values()) < 550, used  # each of its own would be 160 to 190


def test_a_process_of_the_jobs_that_died_is_forked_anew(container: tuple[Server, int]) -> None:
    server, first = container
    before = family(first)
    for pid in before[1:]:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while len(after := family(first)) < 5 or set(after) & set(before[1:]) or not answers(server):
        assert time.monotonic() < deadline, (before, after)
        time.sleep(0.2)


def answers(server: Server) -> bool:
    try:
        return server.http.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


# The decision alone.


@pytest.fixture
def jobs() -> Jobs:
    def identity(user: str) -> Identity:
        raise AssertionError("nobody asks yet")

    return Jobs("the-token", "http://127.0.0.1:5000", identity)


def scope(credentials: bytes = b"ada:the-token", **changes: Any) -> dict[str, Any]:
    value = b"Basic " + base64.b64encode(credentials)
    headers = [(b"host", b"127.0.0.1:5000"), (b"authorization", value), *changes.pop("more", [])]
    return {"type": "http", "method": "POST", "path": MODEL, "client": ("127.0.0.1", 1), "headers": headers, **changes}


def test_a_name_may_have_a_colon_or_any_letter(jobs: Jobs) -> None:
    for name in ("ada", "a:b", "team:admins", "団体", ""):
        assert jobs.user(scope(f"{name}:the-token".encode())) == name


@pytest.mark.parametrize(
    "changes",
    [
        {"client": ("172.18.0.5", 1)},
        {"client": None},
        {"client": ("::1", 1)},
        {"method": "GET"},
        {"path": "/gateway/mlflow/v1/chat/completions\n"},
        {"more": [(b"x-forwarded-for", b"")]},
        {"more": [(b"authorization", b"Basic eA==")]},
        {"more": [(b"host", b"127.0.0.1:5000")]},
        {"credentials": b"ada:the-toke"},
        {"credentials": b"ada"},
        {"credentials": b"the-token"},
        {"credentials": b"\xff:the-token"},
    ],
)
def test_anything_else_comes_from_no_job(jobs: Jobs, changes: dict[str, Any]) -> None:
    assert jobs.user(scope(**changes)) is None


def test_mlflow_sees_neither_the_token_nor_the_inner_name() -> None:
    headers = within(scope(more=[(b"cookie", b"x"), (b"accept", b"*/*")]), b"mlflow.example.com")["headers"]
    assert headers == [(b"host", b"mlflow.example.com"), (b"accept", b"*/*")]
