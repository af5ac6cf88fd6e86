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
    assert all(command in shown for command in ("login", "logout", "status", "env", "token", "credentials"))
    assert python(installed, "import importlib.util; print(importlib.util.find_spec('mlflow'))") == "None\n"


def test_every_module_of_the_client_finds_what_it_needs(installed: Path):
    modules = [file.stem for file in (ROOT / "plugin/mlflow_platform/client").glob("[!_]*.py")]
    ours = sorted(set(modules) - {"tracking", "artifacts"})  # those two are MLflow's to load
    python(installed, "\n".join(f"import mlflow_platform.client.{module}" for module in ours))


def test_mlflow_and_opentelemetry_would_find_their_entry_points(installed: Path):
    program = (
        "import json; from importlib.metadata import distribution;"
        "print(json.dumps([[e.group, e.name] for e in distribution('mlflow-platform').entry_points]))"
    )
    assert sorted(map(tuple, json.loads(python(installed, program)))) == [
        ("console_scripts", "mlflow-platform"),
        ("mlflow.app", "keycloak"),
        ("mlflow.artifact_repository", "s3"),
        ("mlflow.default_experiment_provider", "mlflow-platform"),
        ("mlflow.request_auth_provider", "mlflow-platform"),
        ("mlflow.request_header_provider", "mlflow-platform"),
        ("mlflow.run_context_provider", "mlflow-platform"),
        ("opentelemetry_otlp_credential_provider", "mlflow-platform"),
    ]


def test_the_package_and_the_program_load_neither_boto3_nor_obstore(installed: Path):
    program = "import sys, mlflow_platform, mlflow_platform.client.cli; print({'boto3', 'obstore'} & {*sys.modules})"
    assert python(installed, program) == "set()\n"


_IMPORTS = """
import importlib.metadata, sys, time
if sys.argv[1] == "without":
    every = importlib.metadata.entry_points
    importlib.metadata.entry_points = lambda **of: [it for it in every(**of) if it.dist.name != "mlflow-platform"]
import mlflow, mlflow.tracking.request_header.registry, mlflow.tracking.request_auth.registry
import mlflow.tracking.context.registry, mlflow.store.artifact.artifact_repository_registry
own = [name for name in sys.modules if name.startswith("mlflow_platform")]
print(time.process_time(), len(own), "boto3" in sys.modules, "filelock" in sys.modules)
"""


def imported(which: str) -> tuple[float, int, str, str]:
    """Seconds of processor time in a fresh process, which a busy machine hardly changes; and what was loaded."""
    command = [sys.executable, "-c", _IMPORTS, which]
    seconds, own, *loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), int(own), loaded[0], loaded[1]


def test_the_client_costs_mlflows_import_less_than_a_third_of_a_second(home: Path):
    """By turns with and without its entry points; boto3 in particular waits until it is needed."""
    without, with_client = zip(*[(imported("without"), imported("with")) for _ in range(3)], strict=True)
    assert {own for _, own, *_ in without} == {0}
    assert {(own > 0, boto3, filelock) for _, own, boto3, filelock in with_client} == {(True, "False", "False")}
    assert min(with_client)[0] - min(without)[0] < 0.3
