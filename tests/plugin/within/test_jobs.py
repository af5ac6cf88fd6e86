"""Jobs: the container as it starts, a judge that calls a model for a user, and nobody else who could in her name."""

import base64
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.within.jobs import TOKEN_VARIABLE, Jobs, within

from tests.plugin.conftest import TEAMS, Server
from tests.plugin.within.judging import Model, ended, started, trace

MODEL = "/gateway/mlflow/v1/chat/completions"
ASKED = {"model": "judge", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def job_token(container: tuple[Server, int]) -> str:
    """What only this container's processes know, read from one of them."""
    children = Path(f"/proc/{container[1]}/task/{container[1]}/children").read_text().split()
    lines = [line for pid in children for line in Path(f"/proc/{pid}/environ").read_text().split("\0")]
    return next(line for line in lines if line.startswith(TOKEN_VARIABLE)).partition("=")[2]


def as_job(server: Server, user: str, token: str, path: str = MODEL, **headers: str) -> httpx.Response:
    credentials = base64.b64encode(f"{user}:{token}".encode()).decode()
    return server.http.post(path, headers={"Authorization": f"Basic {credentials}", **headers}, json=ASKED)


def test_a_judge_calls_the_model_for_who_started_it(platform: Server, model: Model, job_token: str) -> None:
    traces = [trace(platform)]
    job = ended(platform, id := started(platform, traces))
    assert (job["status"], job["creator"], job["params"]["username"]) == ("SUCCEEDED", *["member-of-editors"] * 2)
    assert job["result"][traces[0]]["assessments"][0]["feedback"] == {"value": "yes"}
    assert model.asked[-1]["authorization"] == "Bearer sk-of-the-provider"
    assert job_token not in json.dumps([job, model.asked]) + platform.log_file.read_text()
    assert platform.as_member("managers", "GET", f"/ajax-api/3.0/jobs/{id}").status_code == 403
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
