"""How a plugin begins and ends: its start-up counts in every `pulumi up`, and it must not outlive its engine."""

import json
import subprocess
import sys

import pytest

from .conftest import ROOT
from .stacks import providers

CLIENTS = {"docker", "requests", "keycloak", "minio", "psycopg", "cryptography", "bcrypt", "urllib3"}
SDKS = {"pulumi_docker", "pulumi_keycloak", "pulumi_minio", "pulumi_postgresql", "pulumi_random", "pulumi_tls"}


@pytest.mark.parametrize("package", sorted(providers()))
def test_a_plugin_starts_without_client_libraries_and_sdks(package: str):
    program = f"import json, sys, offline.providers.{package}; print(json.dumps(sorted(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(loaded.stdout)) & (CLIENTS | SDKS) == set()


@pytest.mark.parametrize("package", sorted(providers()))
def test_a_plugin_started_by_hand_says_who_starts_it(package: str):
    command = [sys.executable, "-m", f"offline.providers.{package}"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert run.stderr.strip() == f"pulumi-resource-{package} is started by the Pulumi engine, with the engine's address"


def test_a_plugin_ends_when_its_engine_was_killed():
    plugin = f"{sys.executable} -m offline.providers.random 127.0.0.1:1"
    engine = subprocess.Popen(["sh", "-c", f"{plugin} & wait"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    assert int(engine.stdout.readline()) > 0, "the plugin tells its port when it is ready"
    engine.kill()
    engine.communicate(timeout=10)  # until the last process that holds the output has ended
