"""What tests of restores stand on: runs to lose, a machine to lose them with, and checkouts to restore in."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import docker
import yaml

from tests.e2e.checkouts import launched, left_of
from tests.e2e.conftest import Platform
from tests.e2e.stack import PROJECT, Stack


@dataclass
class Elsewhere:
    """A checkout that knows nothing of the stack, on a machine that may have nothing of it."""

    program: Path
    stack: Stack
    backend: Path
    passphrase: str = "another one"

    def platform(self, command: str, *arguments: str, **variables: str) -> CompletedProcess[str]:
        own = {"PULUMI_BACKEND_URL": f"file://{self.backend}", "PULUMI_CONFIG_PASSPHRASE": self.passphrase}
        return launched(self.program, command, *arguments, **{**own, **variables})

    def outputs(self) -> dict[str, Any]:
        shown = self.platform("outputs", "--stack", self.stack.name, "--json", "--show-secrets")
        assert shown.returncode == 0, shown.stderr
        return json.loads(shown.stdout)


@dataclass
class Look:
    """Another stack of the same checkout."""

    of: Stack
    name: str
    ports: dict[str, int]

    def platform(self, command: str, *arguments: str) -> CompletedProcess[str]:
        return self.of.platform(command, *arguments)  # the last --stack counts

    def write(self, settings: dict[str, Any]) -> None:
        """Its stack file: a copy of the other's, with ports of its own and these settings."""
        config = yaml.safe_load((self.of.program / f"Pulumi.{self.of.name}.yaml").read_text())["config"]
        own = {f"{PROJECT}:{name}": value for name, value in {"ports": self.ports, **settings}.items()}
        (self.of.program / f"Pulumi.{self.name}.yaml").write_text(yaml.safe_dump({"config": {**config, **own}}))

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.platform("outputs", "--stack", self.name, "--json", "--show-secrets").stdout)

    def left(self) -> list[str]:
        return left_of(self.name)


def log(platform: Platform, *names: str) -> None:
    """A run for each, with a metric and an artifact of the same name."""
    token = platform.token("dev")
    s3 = platform.s3(token)
    for name in names:
        body = {"experiment_id": "0", "run_name": name}
        run = platform.ask(token, "POST", "/api/2.0/mlflow/runs/create", json=body).json()["run"]["info"]
        metric = {"run_id": run["run_id"], "key": "loss", "value": 1, "timestamp": 1, "step": 0}
        assert platform.ask(token, "POST", "/api/2.0/mlflow/runs/log-metric", json=metric).status_code == 200
        key = f"{run['artifact_uri'].partition('://')[2].partition('/')[2]}/{name}.txt"
        s3.put_object(Bucket=platform.outputs["artifact_bucket"], Key=key, Body=name.encode())


def runs(platform: Platform) -> set[str]:
    body = {"experiment_ids": ["0"], "max_results": 1000}
    found = platform.ask(platform.token("dev"), "POST", "/api/2.0/mlflow/runs/search", json=body)
    assert found.status_code == 200, found.text
    return {run["info"]["run_name"] for run in found.json().get("runs", [])}


def artifacts(platform: Platform) -> set[str]:
    return {key.rpartition("/")[2].removesuffix(".txt") for key in platform.objects(platform.token("dev"))}


def later_login(platform: Platform, home: Path) -> str:
    """A refresh token, of a login that the time restored to does not know."""
    platform.log_in("vera", home)
    (file,) = home.rglob("mlflow-platform/*.json")
    return json.loads(file.read_text())["tokens"]["refresh_token"]


def lose(stack: Stack) -> None:
    """The machine, but for the place, and the state with it."""
    shutil.rmtree(stack.backend / ".pulumi")
    host, label = docker.from_env(), {"label": f"mlflow-platform.stack={stack.name}"}
    for container in stack.all_containers():
        container.remove(force=True, v=True)
    for found in (*host.volumes.list(filters=label), *host.networks.list(filters=label)):
        found.remove()


def serving(stack: Stack) -> dict[str, str]:
    """Each container, since when it runs."""
    return {str(found.id): found.attrs["State"]["StartedAt"] for found in stack.all_containers()}


def content(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file, with its size and when it was written."""
    found = {str(file): file.stat() for file in folder.rglob("*") if file.is_file()}
    return {name: (about.st_size, about.st_mtime_ns) for name, about in found.items()}


def until_said(stack: Stack, words: str, within: float = 60) -> None:
    """By the status."""
    deadline = time.monotonic() + within
    while words not in (shown := stack.platform("status")).stderr:
        assert time.monotonic() < deadline, shown.stdout + shown.stderr
        time.sleep(2)


def encrypted(size: int) -> int:
    """How long a file is at the place: a header, and for every 64 KiB a tag."""
    return 32 + size + 16 * -(-size // 65536)


def flip(file: Path) -> None:
    """A bit in the middle, as a disk may; twice is as before."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def run_named(platform: Platform, name: str) -> str:
    body = {"experiment_ids": ["0"], "filter": f"attributes.run_name = '{name}'"}
    (found,) = platform.ask(platform.token("dev"), "POST", "/api/2.0/mlflow/runs/search", json=body).json()["runs"]
    return found["info"]["run_id"]


def delete_for_good(platform: Platform, run: str) -> None:
    """Its rows and its artifacts, as it is done when its days are over."""
    for table in ("metrics", "latest_metrics", "tags", "runs"):
        sql = f"DELETE FROM {table} WHERE run_uuid = '{run}'"
        asked = platform.stack.container("postgres").exec_run(["psql", "-U", "postgres", "-d", "mlflow", "-c", sql])
        assert asked.exit_code == 0, asked.output
    s3 = platform.s3(platform.token("dev"))
    for key in platform.objects(platform.token("dev")):
        if run in key:
            s3.delete_object(Bucket=platform.outputs["artifact_bucket"], Key=key)
