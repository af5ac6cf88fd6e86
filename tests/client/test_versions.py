"""The client beside the MLflow and the Python that users have: each in an environment of its own, as pip makes it."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from mlflow_platform.client import versions
from mlflow_platform.client.store import LoginFile

from tests.client.double import Double
from tests.conftest import ROOT

NEWEST = version("mlflow")  # the platform's own
MATRIX = [
    ("3.10", "2.16.2"),
    ("3.12", "2.22.2"),
    ("3.11", "3.1.4"),
    ("3.10", NEWEST),
    ("3.13", NEWEST),
    ("3.14", NEWEST),
]

# A training, which waits in its middle until everything that it has been given is over.
JOB = """
import sys
from pathlib import Path

import mlflow

name = sys.argv[1]
Path("model.bin").write_text("content")
mlflow.set_experiment(name)
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5, step=0)
    mlflow.log_artifact("model.bin", "model")
    print("half", flush=True)
    sys.stdin.readline()
    mlflow.log_metric("loss", 0.25, step=1)
    Path("folder/deeper").mkdir(parents=True)
    Path("folder/deeper/a.txt").write_text("a")
    mlflow.log_artifacts("folder", "more")
    uri = mlflow.get_artifact_uri("model")

client = mlflow.MlflowClient()
client.create_registered_model(name)
made = client.create_model_version(name, uri, run.info.run_id)
down = mlflow.artifacts.download_artifacts(f"models:/{name}/{made.version}", dst_path="down")
assert next(Path(down).rglob("model.bin")).read_text() == "content"
down = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="more", dst_path="more")
assert Path(down, "deeper/a.txt").read_text() == "a"
assert [metric.value for metric in client.get_metric_history(run.info.run_id, "loss")] == [0.5, 0.25]
assert client.get_run(run.info.run_id).data.tags["mlflow.user"] == "dev"
print("whole")
"""


def python(wanted: str) -> str:
    """The program of this version; skips the test where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path("~/.pyenv").expanduser()), "versions")
    for found in [shutil.which(f"python{wanted}"), *pyenv.glob(f"{wanted}.*/bin/python")]:
        command = [found or "false", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(command, capture_output=True, text=True).stdout.strip() == wanted:
            return str(found)
    pytest.skip(f"there is no Python {wanted} on this machine")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, as it is now."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(ROOT / "plugin", folder / "plugin", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", ".", source, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("wanted", "mlflow"), MATRIX)
def test_a_training_goes_through_login_renewal_artifacts_and_registry(
    wanted: str, mlflow: str, wheel: Path, mlflow_server: str, platform: Double, tmp_path: Path
):
    run(python(wanted), "-m", "venv", "venv", cwd=tmp_path)
    programs = tmp_path / "venv/bin"
    install = [programs / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, f"mlflow-skinny=={mlflow}"]
    run(*install, cwd=tmp_path)
    platform.mlflow, platform.device_changes = mlflow_server, {"interval": 0.1}

    run(programs / "mlflow-platform", "login", "--device", cwd=tmp_path)
    name = f"on-{wanted}-with-{mlflow}"
    job = subprocess.Popen(
        [programs / "python", "-c", JOB, name],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with job:
        assert job.stdout
        begun = next((line for line in job.stdout if line == "half\n"), None)
        platform.ahead += platform.lifetime
        platform.store.keys = dict.fromkeys(platform.store.keys, 0.0)
        said, error = job.communicate("\n", timeout=300) if begun else job.communicate(timeout=60)
    assert (job.returncode, said.splitlines()[-1:]) == (0, ["whole"]), error
    assert (platform.asked("refresh_token"), platform.sts_calls()) == (1, 2)
    assert {path.rpartition("/")[2] for path in platform.store.objects} == {"model.bin", "a.txt"}
    assert any(request.headers["User-Agent"].startswith("object_store/") for request in platform.to("/mlflow/"))
    assert LoginFile(platform.url).load()


@pytest.mark.parametrize(
    ("installed", "told"),
    [
        ({}, False),
        ({"mlflow": "1.30.1"}, True),
        ({"mlflow-skinny": "2.15.1"}, True),
        ({"mlflow-skinny": "2.16.0"}, False),
        ({"mlflow": "2.9.2", "mlflow-skinny": "2.9.2"}, True),
        ({"mlflow": "3.2.0rc0"}, False),
        ({"mlflow": "10.0"}, False),
        ({"mlflow": "unknown"}, False),
    ],
)
def test_what_is_older_than_the_client_works_with_is_told(
    installed: dict[str, str], told: bool, monkeypatch: pytest.MonkeyPatch
):
    def version_of(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(versions, "version", version_of)
    sentence = versions.unsuited() or ""
    assert [name in sentence for name in ("2.16", *installed.values())] == [told] * (1 + len(installed))


@pytest.mark.slow
def test_an_mlflow_that_is_too_old_is_said_at_login(wheel: Path, platform: Double, tmp_path: Path):
    run(sys.executable, "-m", "venv", "venv", cwd=tmp_path)
    programs = tmp_path / "venv/bin"
    run(programs / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    run(programs / "pip", "install", "--quiet", "--no-deps", "mlflow-skinny==2.15.1", cwd=tmp_path)
    platform.device_changes = {"interval": 0.1}
    said = run(programs / "mlflow-platform", "login", "--device", cwd=tmp_path)
    assert [line for line in said.splitlines() if "2.15.1" in line and "2.16" in line]
