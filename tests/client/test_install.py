"""Installed by pip where there is nothing else: all that a user needs is there, and little of it is loaded."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the client in it; its folder of programs."""
    folder = tmp_path_factory.mktemp("installed")
    source = shutil.copytree(ROOT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", source]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "venv/bin"


def python(installed: Path, program: str) -> str:
    command = [installed / "python", "-c", program]
    return subprocess.run(command, cwd=installed, capture_output=True, text=True, check=True).stdout


def test_the_program_is_there_and_mlflow_is_not_needed(installed: Path):
    shown = subprocess.run([installed / "mlflow-platform", "--help"], capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in ("login", "logout", "status", "env", "credentials"))
    assert python(installed, "import importlib.util; print(importlib.util.find_spec('mlflow'))") == "None\n"


def test_every_module_of_the_client_finds_what_it_needs(installed: Path):
    modules = [file.stem for file in (ROOT / "plugin/mlflow_platform/client").glob("[!_]*.py")]
    ours = sorted(set(modules) - {"tracking", "artifacts"})  # those two are MLflow's to load
    python(installed, "\n".join(f"import mlflow_platform.client.{module}" for module in ours))


def test_mlflow_would_find_its_entry_points(installed: Path):
    program = (
        "import json; from importlib.metadata import distribution;"
        "print(json.dumps([[e.group, e.name] for e in distribution('mlflow-platform').entry_points]))"
    )
    assert sorted(map(tuple, json.loads(python(installed, program)))) == [
        ("console_scripts", "mlflow-platform"),
        ("mlflow.app", "keycloak"),
        ("mlflow.artifact_repository", "s3"),
        ("mlflow.request_auth_provider", "mlflow-platform"),
        ("mlflow.request_header_provider", "mlflow-platform"),
        ("mlflow.run_context_provider", "mlflow-platform"),
    ]


def test_the_package_and_the_program_load_no_boto3(installed: Path):
    program = "import sys, mlflow_platform, mlflow_platform.client.cli; print('boto3' in sys.modules)"
    assert python(installed, program) == "False\n"


def test_the_plugin_of_mlflow_is_light(home: Path):
    """In proportion to MLflow's own import, since machines differ; boto3 in particular waits until it is needed."""
    program = (
        "import time, sys; a = time.monotonic(); import mlflow, mlflow.tracking.request_header.registry,"
        " mlflow.store.artifact.artifact_repository_registry; b = time.monotonic();"
        " import mlflow_platform.client.tracking, mlflow_platform.client.artifacts; c = time.monotonic();"
        " print(c - b, (c - b) / (b - a), 'boto3' in sys.modules, 'filelock' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd="plugin", capture_output=True, text=True, check=True)
    seconds, share, boto3, filelock = done.stdout.split()
    assert float(seconds) < 0.3 or float(share) < 0.05
    assert (boto3, filelock) == ("False", "False")
