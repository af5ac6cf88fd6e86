"""What `up` promises, asked as its users would: every public address, and whether MLflow reaches what it needs."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from typing import Any

from launcher import inventory
from launcher.console import Failure, done, duration, say
from launcher.doors import Doors
from launcher.state import Made, State

_WITHIN = 60.0  # seconds, for what has just been started
_ANSWER = 5.0
_PAUSE = 1.0
_NO_CONNECTION = ("too many clients", "too many connections", "remaining connection slots")
_MLFLOW = "mlflow"  # the container's resource in the program


@dataclass(frozen=True)
class Question:
    """`ask` says what is wrong, or None; `look` is the resource whose log says more."""

    what: str
    ask: Callable[[], str | None]
    look: str


def until_all_answer(stack: str, state: State, within: float = _WITHIN) -> None:
    """Returns at once where all is well; else asks again for a while, and fails with the first that is not."""
    doors = Doors(state)
    questions = list(_questions(state))
    deadline = time.monotonic() + within
    waiting = False
    with ThreadPoolExecutor(len(questions) or 1) as pool:
        while True:
            reasons = pool.map(lambda question: question.ask(), questions)
            wrong = [(question, reason) for question, reason in zip(questions, reasons, strict=True) if reason]
            if not wrong:
                break
            if time.monotonic() > deadline:
                raise Failure(_sentence(stack, state, *wrong[0], within))
            if not waiting:
                say(f"   waiting for an answer of {', '.join(question.what for question, _ in wrong)} ...")
                waiting = True
            time.sleep(_PAUSE)
    if unnamed := doors.unnamed:
        say(f" ! this machine finds no address for {', '.join(unnamed)}: nobody gets there until DNS leads here")
    if others := doors.elsewhere:
        say(f" ! not asked, since a load balancer answers there: {', '.join(others)}")
    answer = "" if others else "MLflow, Keycloak, S3 and MinIO's console answer; "
    done(f"{answer}MLflow reaches its databases, bucket and Keycloak's keys")


def wrong(state: State) -> list[str]:
    """A sentence for each thing that users, or MLflow, do not get; asked once, for whoever asks how a stack fares."""
    questions = [question for question in _questions(state) if question.look]
    with ThreadPoolExecutor(len(questions) or 1) as pool:
        reasons = pool.map(lambda question: question.ask(), questions)
        return [f"{question.what}: {reason}" for question, reason in zip(questions, reasons, strict=True) if reason]


def _sentence(stack: str, state: State, question: Question, reason: str, within: float) -> str:
    name = next((made.name for made in state.made if (made.kind, made.resource) == ("container", question.look)), "")
    log = f"docker logs {name} and " if name else ""
    return (
        f"Stack {stack} was made, but after {duration(within)} {question.what} is not well: {reason}; "
        f"{log}./platform status say more."
    )


def _questions(state: State) -> Iterator[Question]:
    out, containers = state.outputs, [made for made in state.made if made.kind == "container"]
    http = partial(_answer, Doors(state))
    yield Question("every container", lambda: _unwell(containers), "")
    if url := out.get("mlflow_tracking_uri"):
        yield Question(f"MLflow ({url})", lambda: http(f"{url}/health", lambda status, body: status == 200), _MLFLOW)
    if issuer := out.get("oidc_issuer_url"):
        config = f"{issuer}/.well-known/openid-configuration"
        yield Question(
            f"Keycloak ({out.get('keycloak_url')})",
            lambda: http(config, lambda status, body: json.loads(body)["issuer"] == issuer),
            "keycloak",
        )
    if s3 := out.get("s3_endpoint_url"):
        bucket = f"{s3}/{out.get('artifact_bucket')}/"
        yield Question(f"S3 ({s3})", lambda: http(bucket, lambda status, body: b"AccessDenied" in body), "minio-1")
    if console := out.get("minio_console_url"):
        login = f"{console}/api/v1/login"
        yield Question(
            f"MinIO's console ({console})",
            lambda: http(
                login, lambda status, body: bool(json.loads(body)["redirectRules"]), "offers no login by Keycloak"
            ),
            "minio-1",
        )
    if mlflow := next((made for made in containers if made.resource == _MLFLOW), None):
        yield Question("MLflow's databases, bucket and keys", partial(_inside, mlflow), _MLFLOW)


def _answer(
    doors: Doors, url: str, right: Callable[[int, bytes], bool], otherwise: str = "answers otherwise than it should"
) -> str | None:
    """What is wrong with the answer to a GET of somebody who is not logged in, where it is ours to give."""
    if doors.leads_elsewhere(url):
        return None
    try:
        status, body = doors.get(url, _ANSWER)
    except (OSError, HTTPException, ValueError) as error:
        return f"{url} does not answer ({error or type(error).__name__})"
    try:
        return None if right(status, body) else f"{url} {otherwise} (status {status})"
    except (ValueError, LookupError, TypeError):
        return f"{url} answers with status {status}"


def _unwell(containers: list[Made]) -> str | None:
    there = {thing.key: thing for thing in inventory.things()}
    for made in containers:
        thing = there.get(made.key)
        if thing is None:
            return f"{made.name} has vanished from Docker"
        if thing.health == "unhealthy":
            return (
                f"{made.name} is unhealthy, and Docker's restart policy restarts only what ends by itself "
                f"(docker restart {made.name})"
            )
        if not thing.well:
            return f"{made.name} is {thing.state if thing.state != 'running' else thing.health}"
    return None


def _inside(mlflow: Made) -> str | None:
    """What MLflow's own container says that it does not reach."""
    command = ["docker", "exec", mlflow.id, "python", "-m", "mlflow_platform.server.probe"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=4 * _ANSWER, check=False)
    except subprocess.TimeoutExpired:
        return f"{mlflow.name} does not say within {duration(4 * _ANSWER)} what it reaches"
    try:
        found: dict[str, Any] = json.loads(asked.stdout)
    except ValueError:
        said = (asked.stderr or asked.stdout).strip().rpartition("\n")[2]
        return f"{mlflow.name} cannot be asked what it reaches ({said})"
    return next(
        (f"MLflow does not reach {what}: {_in_words(reason)}" for what, reason in found.items() if reason), None
    )


def _in_words(reason: str) -> str:
    """What PostgreSQL says to those for whom there is no connection differs by who asks, and names none."""
    if any(words in reason for words in _NO_CONNECTION):
        return f"PostgreSQL has no connection left; pg_stat_activity there says who has them ({reason})"
    return reason
