"""`./platform` itself, in a checkout of its own, from nothing to nothing: what a platform engineer types."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import yaml

from tests.e2e.checkouts import ROOT, left_of, until_well
from tests.e2e.stack import PROJECT, free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

_PORTS = ("mlflow", "keycloak", "s3", "console", "admin_postgres", "admin_keycloak", "admin_minio")
_NOT_OF_A_CLONE = shutil.ignore_patterns(".git", ".venv", ".platform", "__pycache__", "*.egg-info", ".*_cache")


@dataclass(frozen=True)
class Checkout:
    """A copy of this one as it is now, with a stack file of its own."""

    root: Path
    stack: str

    @property
    def environment(self) -> dict[str, str]:
        """A fresh shell's: none of what the tests themselves run with."""
        foreign = ("PULUMI_", "VIRTUAL_ENV", "MLFLOW_", "PYTEST_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        parts = environment["PATH"].split(os.pathsep)
        return {**environment, "PATH": os.pathsep.join(part for part in parts if not part.startswith(str(ROOT)))}

    def platform(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = ["./platform", command, "--stack", self.stack, *arguments]
        return subprocess.run(
            line, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False, timeout=900
        )

    def ended_up(self, words: str, how: signal.Signals) -> tuple[int, str]:
        """A signal while containers are being made, as a terminal sends Ctrl-C: to all processes of the job."""
        with subprocess.Popen(
            ["./platform", "up", "--stack", self.stack],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as job:
            assert job.stdout
            printed: list[str] = []
            for line in job.stdout:
                printed.append(line)
                if words in line and not job.returncode:
                    os.killpg(job.pid, how)
                    break
            printed.extend(job.stdout)
            return job.wait(timeout=120), "".join(printed)

    @property
    def stack_file(self) -> Path:
        return self.root / f"Pulumi.{self.stack}.yaml"

    def processes(self) -> list[str]:
        """What still runs for the stack of Pulumi's."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended
                if f"PULUMI_STACK={self.stack}\0" in (process / "environ").read_text():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
        return found

    def left(self) -> list[str]:
        return left_of(self.stack)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    root = shutil.copytree(ROOT, tmp_path_factory.mktemp("checkout") / "main", ignore=_NOT_OF_A_CLONE)
    stack = f"e2e-{secrets.token_hex(3)}"
    dev = yaml.safe_load((root / "Pulumi.dev.yaml").read_text())["config"]
    ports = {f"{PROJECT}:ports": dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))}
    checkout = Checkout(root, stack)
    checkout.stack_file.write_text(yaml.safe_dump({"config": {**dev, **ports}}))
    yield checkout
    checkout.platform("destroy", "--yes", "--delete-data")
    assert checkout.left() == []


def test_of_a_killed_up_the_next_command_leaves_neither_a_process_nor_a_salt_in_the_stacks_file(checkout: Checkout):
    before = checkout.stack_file.read_text()
    code, _ = checkout.ended_up("+ Container postgres", signal.SIGKILL)
    assert code == -signal.SIGKILL
    planned = checkout.platform("preview")
    assert planned.returncode == 0, planned.stderr[-3000:]
    assert checkout.stack_file.read_text() == before
    deadline = time.monotonic() + 10
    while (left := checkout.processes()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def test_an_interrupted_up_says_so_and_the_next_one_finishes_it(checkout: Checkout):
    code, printed = checkout.ended_up("+ Container gateway", signal.SIGINT)
    assert code == 130, printed[-3000:]
    assert printed.splitlines()[-1] == "interrupted; the next ./platform up goes on from here"
    assert "Traceback" not in printed
    done = checkout.platform("up")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "mlflow-platform login" in done.stdout
    password = json.loads(checkout.platform("outputs", "--json", "--show-secrets").stdout)["dev_users"]["dev"]
    assert password not in done.stdout + done.stderr + printed


def test_a_second_up_changes_nothing(checkout: Checkout):
    done = checkout.platform("up")
    assert done.returncode == 0
    assert [line for line in done.stdout.splitlines() if line.startswith((" +", " ~", " -"))] == []
    assert re.search(r"pulumi up: \d+ unchanged ", done.stdout)


def test_every_part_is_shown_to_be_well(checkout: Checkout):
    until_well(lambda: checkout.platform("status"))
    shown = checkout.platform("status")
    healthy = [line.split()[0] for line in shown.stdout.splitlines() if " healthy " in line]
    names = ("backup", "gateway", "keycloak", "minio-1", "mlflow", "postgres")
    assert healthy == [f"mlflow-{checkout.stack}-{name}" for name in names]


def test_a_part_that_stopped_is_shown_and_comes_back(checkout: Checkout):
    docker.from_env().containers.get(f"mlflow-{checkout.stack}-gateway").stop(timeout=20)
    assert checkout.platform("status").returncode == 1
    assert checkout.platform("up").returncode == 0
    until_well(lambda: checkout.platform("status"))


def test_outputs_hold_secrets_back_until_they_are_asked_for(checkout: Checkout):
    plain = json.loads(checkout.platform("outputs", "--json").stdout)
    assert plain["mlflow_tracking_uri"].startswith("http://localhost:")
    assert {plain[name] for name in ("dev_users", "keycloak_admin", "minio_root")} == {"[secret]"}
    told = json.loads(checkout.platform("outputs", "--json", "--show-secrets").stdout)
    assert sorted(told["dev_users"]) == ["ada", "dev", "guest", "vera"]


def test_plain_pulumi_works_in_a_shell_that_took_the_environment(checkout: Checkout):
    script = 'eval "$(./platform env --stack "$0")" && pulumi stack output mlflow_tracking_uri && pulumi preview'
    done = subprocess.run(
        ["sh", "-c", script, checkout.stack],
        cwd=checkout.root,
        env=checkout.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://localhost:")
    assert "unchanged" in done.stdout


def test_preview_shows_a_change_and_names_a_mistake(checkout: Checkout):
    file = checkout.root / f"Pulumi.{checkout.stack}.yaml"
    before = file.read_text()
    config = yaml.safe_load(before)["config"]
    try:
        file.write_text(yaml.safe_dump({"config": {**config, f"{PROJECT}:tracking": {"workers": 3}}}))
        shown = checkout.platform("preview")
        assert shown.returncode == 0
        changed = {line for line in shown.stdout.splitlines() if line.startswith(" ++ ")}
        assert changed == {" ++ Container mlflow-files (uploads)", " ++ Container mlflow"}
        file.write_text(yaml.safe_dump({"config": {**config, f"{PROJECT}:tracking": {"worker": 3}}}))
        refused = checkout.platform("preview")
        assert refused.returncode != 0
        assert "tracking.worker" in refused.stdout + refused.stderr
        assert "Traceback" not in refused.stdout + refused.stderr
    finally:
        file.write_text(before)


def test_destroy_asks_first_and_leaves_nothing_even_of_a_stack_that_lost_a_server(checkout: Checkout):
    refused = checkout.platform("destroy", "--delete-data")
    assert (refused.returncode, "--yes" in refused.stderr) == (1, True)
    assert checkout.left()
    docker.from_env().containers.get(f"mlflow-{checkout.stack}-keycloak").remove(force=True, v=True)
    docker.from_env().containers.get(f"mlflow-{checkout.stack}-minio-1").stop(timeout=20)
    assert checkout.platform("destroy", "--yes", "--delete-data").returncode == 0
    assert checkout.left() == []
    gone = checkout.platform("status")
    assert (gone.returncode, "has no containers" in gone.stderr) == (1, True)
