"""The day when the machine is gone: a stack at work, then nothing but the place and the key, then the stack again."""

import hashlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e import keycloak
from tests.e2e.checkouts import ROOT, checkout, launched, until_well
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.restores.restoring import lose
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(5400)]

RUNS, METRICS_OF_A_RUN, ARTIFACTS, BYTES = 500, 400, 2000, 1_000_000
PEOPLE = 50
LATE = 3.0  # seconds: `database_seconds` below, and a second and more for the way
_ROUND = 30


@dataclass
class Written:
    """What was acknowledged, and when (Unix time): runs by id, artifacts by key with the content's SHA-256."""

    runs: dict[str, tuple[float, float]] = field(default_factory=dict)  # asked and answered
    artifacts: dict[str, tuple[float, str]] = field(default_factory=dict)


class Clients:
    """Several at once, of somebody in a team."""

    def __init__(self, platform: Platform):
        self._platform = platform
        self._token = platform.token("dev")
        self._http = httpx.Client(base_url=platform.url, headers={"Authorization": f"Bearer {self._token}"}, timeout=60)
        self._s3 = platform.s3(self._token)
        self.written = Written()

    def run(self, name: str, metrics: int = METRICS_OF_A_RUN) -> None:
        asked = time.time()
        run = self._ask("runs/create", {"experiment_id": "0", "run_name": name})["run"]["info"]["run_id"]
        values = [{"key": "loss", "value": 1 / (n + 1), "timestamp": n, "step": n} for n in range(metrics)]
        self._ask("runs/log-batch", {"run_id": run, "metrics": values})
        self.written.runs[run] = asked, time.time()

    def artifact(self, number: int) -> None:
        content = random.Random(number).randbytes(BYTES)
        key = f"drill/{number % 50}/{number}.bin"
        self._s3.put_object(Bucket=self._platform.outputs["artifact_bucket"], Key=key, Body=content)
        self.written.artifacts[key] = time.time(), hashlib.sha256(content).hexdigest()

    def go_on(self, enough: threading.Event) -> None:
        """Small runs and artifacts until it is over; what gets an error was not acknowledged."""
        number = ARTIFACTS
        while not enough.is_set():
            number += 1
            try:
                self.run(f"late {number}", metrics=1)
                self.artifact(number)
            except (httpx.HTTPError, BotoCoreError, ClientError):
                time.sleep(0.2)

    def _ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"/api/2.0/mlflow/{what}", json=body)
        answer.raise_for_status()
        return answer.json()

    @property
    def artifact_hashes(self) -> dict[str, str]:
        """Of all that is in the bucket now."""
        bucket = self._platform.outputs["artifact_bucket"]

        def of(key: str) -> tuple[str, str]:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            return key, hashlib.sha256(body).hexdigest()

        with ThreadPoolExecutor(4) as pool:
            return dict(pool.map(of, sorted(self._platform.objects(self._token))))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def stack(has_pulumi: None, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    to = {"kind": "folder", "folder": str(place)}
    settings = {"backup": {"to": to, "database_seconds": 1, "artifacts_every": _ROUND}}
    with brought_up(tmp_path_factory.mktemp("drill"), settings) as stack:
        yield stack


def people(platform: Platform) -> set[str]:
    """More of them, in a team, as an administrator adds them."""
    with keycloak.administration(platform.stack.ports["admin_keycloak"], platform.outputs["keycloak_admin"]) as admin:
        [team] = admin.get("/groups", params={"search": "model-viewers", "exact": "true"}).json()
        for number in range(PEOPLE):
            user = {"username": f"person-{number}", "enabled": True, "email": f"{number}@example.org"}
            place = admin.post("/users", json=user).headers["location"]
            assert admin.put(f"{place}/groups/{team['id']}").status_code == 204
    return in_team(platform)


def in_team(platform: Platform) -> set[str]:
    with keycloak.administration(platform.stack.ports["admin_keycloak"], platform.outputs["keycloak_admin"]) as admin:
        [team] = admin.get("/groups", params={"search": "model-viewers", "exact": "true"}).json()
        return {user["username"] for user in admin.get(f"/groups/{team['id']}/members", params={"max": 500}).json()}


def asked(stack: Stack, sql: str) -> list[str]:
    """Of MLflow's own database."""
    return stack.run("postgres", ["psql", "-U", "postgres", "-d", "mlflow", "-Atc", sql]).split()


def counted(stack: Stack) -> dict[str, int]:
    return {what: int(asked(stack, f"SELECT count(*) FROM {what}")[0]) for what in ("runs", "metrics")}


def run_ids(stack: Stack) -> set[str]:
    return set(asked(stack, "SELECT run_uuid FROM runs"))


def service_works(platform: Platform) -> None:
    """With the secret that it always had."""
    service = platform.outputs["service_clients"]["ci"]
    form = {"grant_type": "client_credentials", **{name: service[name] for name in ("client_id", "client_secret")}}
    token = httpx.post(f"{platform.outputs['oidc_issuer_url']}/protocol/openid-connect/token", data=form).json()
    assert platform.ask(token["access_token"], "GET", "/api/2.0/mlflow/users/current").status_code == 200


def clone(folder: Path, stack: Stack) -> Callable[..., str]:
    """A fresh one of what is committed, which has its state where the stack's fixture looks for it."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    shutil.rmtree(stack.backend.parent / "program")
    own = {"PULUMI_BACKEND_URL": f"file://{stack.backend}", "PULUMI_CONFIG_PASSPHRASE": stack.passphrase}

    def platform(command: str, *arguments: str) -> str:
        done = launched(folder, command, *arguments, **own)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return platform


def within(seconds: Callable[[], Any], what: str, took: dict[str, float]) -> Any:
    began = time.monotonic()
    found = seconds()
    took[what] = round(time.monotonic() - began, 1)
    return found


def test_everything_but_place_and_key_is_lost_and_comes_back(stack: Stack, place: Path, tmp_path: Path):
    platform, took = Platform(stack, stack.outputs()), dict[str, float]()
    outputs, members = platform.outputs, people(platform)
    clients = Clients(platform)
    key = tmp_path / "backup.key"
    key.write_text(outputs["backup_key"])

    def make(first: int, last: int) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(clients.run, [f"run {n}" for n in range(first * RUNS // 100, last * RUNS // 100)]))
            list(pool.map(clients.artifact, range(first * ARTIFACTS // 100, last * ARTIFACTS // 100)))

    within(lambda: make(0, 60), "made, the first part", took)
    time.sleep(1)
    middle = time.time()
    time.sleep(1)
    within(lambda: make(60, 100), "made, the rest", took)
    before = counted(stack)
    assert before == {"runs": RUNS, "metrics": RUNS * METRICS_OF_A_RUN}
    assert stack.platform("backup", "now").returncode == 0  # which brings the state along

    enough = threading.Event()
    writing = threading.Thread(target=clients.go_on, args=[enough])
    writing.start()
    time.sleep(4 * _ROUND)
    rounds = [
        json.loads(line) for line in stack.run("backup", ["python", "-m", "platform_backup", "list"]).splitlines()
    ]
    lost_at = time.time()
    lose(stack)
    enough.set()
    writing.join()
    written = clients.written

    fresh = tmp_path / "clone"
    launch = clone(fresh, stack)
    within(lambda: launch("restore", "--from", str(place), "--key-file", str(key), "--yes"), "restored", took)
    checkout(stack.backend.parent / "program")
    shutil.copy(fresh / f"Pulumi.{stack.name}.yaml", stack.backend.parent / "program")

    restored = Platform(stack, json.loads(launch("outputs", "--stack", stack.name, "--json", "--show-secrets")))
    assert restored.outputs == outputs
    there = run_ids(stack)
    missing = {run: answered for run, (_, answered) in written.runs.items() if run not in there}
    assert all(answered > lost_at - LATE for answered in missing.values()), missing
    assert counted(stack)["metrics"] >= before["metrics"]
    hashes = Clients(restored).artifact_hashes
    round = rounds[-1]["time"]
    assert {
        key: hash for key, (when, hash) in written.artifacts.items() if when < round and hashes.get(key) != hash
    } == {}
    assert in_team(restored) == members
    service_works(restored)
    assert set(stack.preview()) == {"same"}
    until_well(lambda: stack.platform("status"))

    at = datetime.fromtimestamp(middle, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    within(lambda: launch("restore", "--stack", stack.name, "--at", at, "--yes"), "to a second in the middle", took)
    assert run_ids(stack) == {run for run, (_, answered) in written.runs.items() if answered < middle}
    of_then = {key: hash for key, (when, hash) in written.artifacts.items() if when < middle}
    assert Clients(restored).artifact_hashes.items() >= of_then.items()
    assert set(stack.preview()) == {"same"}
    facts = {"runs lost": len(missing), "runs acknowledged": len(written.runs), **took}
    print(f"drill: {json.dumps(facts)}", file=sys.stderr)
