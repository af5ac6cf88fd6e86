"""The client against the real servers: one login, and MLflow, notebooks, S3 tools and long jobs act as that user."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import httpx
import nbformat
import pytest
from nbclient import NotebookClient

from tests.e2e import keycloak
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import CLIENT, Platform

pytestmark = pytest.mark.e2e

_LONG_JOB = """
import time, mlflow
mlflow.set_experiment("restarts")
with mlflow.start_run() as run:
    print(run.info.run_id, flush=True)
    for step in range(60):
        mlflow.log_metric("step", step, step=step)
        mlflow.log_text(str(step), f"{step}.txt")
        time.sleep(0.5)
"""

_FILES = """
import os, sys, mlflow
from pathlib import Path
from boto3.s3.transfer import S3Transfer
S3Transfer.download_file = None  # or it would help out
os.chdir(sys.argv[1])
mlflow.set_experiment("files")
content = os.urandom(1024 * 1024) * 30
for name, size in (("small.txt", 10), ("large.bin", len(content))):
    Path(name).write_bytes(content[:size])
with mlflow.start_run() as run:
    mlflow.log_artifact("large.bin", "a b")
    S3Transfer.upload_file = None
    mlflow.log_artifact("small.txt", "a b")
down = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="a b", dst_path="down")
assert sorted(path.name for path in Path(down).iterdir()) == ["large.bin", "small.txt"]
assert all(Path(down, name).read_bytes() == Path(name).read_bytes() for name in ("small.txt", "large.bin"))
print("whole")
"""


def test_a_login_says_who_until_when_and_what_of_the_storage(platform: Platform):
    shown = platform.run([CLIENT, "status"], platform.logged_in("dev"))
    lines = dict(line.split(maxsplit=1) for line in shown.splitlines())
    assert (lines["server"], lines["user"]) == (platform.url, "dev")
    assert lines["storage"].endswith("credentials are given")
    assert "no credentials" in platform.run([CLIENT, "status"], platform.logged_in("guest"))


def test_a_run_carries_the_logins_name(platform: Platform, trained: str):
    run_id = trained.split()[1].rstrip(":")
    run = platform.ask(platform.token("dev"), "GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]
    tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
    assert tags["mlflow.user"] == "dev"


def test_files_go_to_the_object_store_without_boto3(platform: Platform, tmp_path: Path):
    said = platform.run([sys.executable, "-c", _FILES, str(tmp_path)], platform.logged_in("dev"))
    assert said.splitlines()[-1] == "whole"


def test_a_notebook_logs_in_by_its_link_trains_registers_and_loads(platform: Platform, tmp_path: Path):
    notebook = nbformat.read(ROOT / "examples/digits.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    environment = platform.environment(XDG_STATE_HOME=str(tmp_path / "state"), HOME=str(tmp_path))

    def printed(cell: int) -> str:
        return "".join(output.get("text", "") for output in notebook.cells[cell].get("outputs", []))

    with ThreadPoolExecutor(1) as pool:
        execution = pool.submit(client.execute, env=environment)
        deadline = time.monotonic() + 120
        while "user_code=" not in printed(1) and not execution.done() and time.monotonic() < deadline:
            time.sleep(0.2)
        page = next(word for word in printed(1).split() if "user_code=" in word)
        keycloak.approve_device(page, "dev", platform.outputs["dev_users"]["dev"])
        execution.result()
    assert "as dev" in printed(1)
    assert "accuracy 0.9" in printed(2)
    assert "labels [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]" in printed(3)


def test_a_service_trains_without_a_login(platform: Platform):
    printed = platform.run([sys.executable, str(ROOT / "examples/train_digits.py")], platform.as_service("ci"))
    run_id = printed.split()[1].rstrip(":")
    run = platform.ask(platform.token("dev"), "GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]
    assert {"key": "mlflow.user", "value": "service-account-ci"} in run["data"]["tags"]


def test_s3_tools_act_as_the_user_by_the_profile(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    platform.log_in("dev", tmp_path, "--aws-profile", "mlflow")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / ".aws" / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    s3 = boto3.Session(profile_name="mlflow").client("s3")
    bucket = platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key="by-profile", Body=b"mine")
    assert s3.get_object(Bucket=bucket, Key="by-profile")["Body"].read() == b"mine"
    assert [found["Name"] for found in s3.list_buckets()["Buckets"]] == [bucket]
    environment = platform.environment(XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path))
    assert "AWS_PROFILE=mlflow" in platform.run([CLIENT, "env"], environment)


def test_logging_out_ends_the_login_at_keycloak_too(platform: Platform, tmp_path: Path):
    platform.log_in("dev", tmp_path)
    (file,) = tmp_path.rglob("mlflow-platform/*.json")
    kept = json.loads(file.read_text())
    environment = platform.environment(XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path))
    platform.run([CLIENT, "logout"], environment)
    refresh = {
        "grant_type": "refresh_token",
        "client_id": kept["client_id"],
        "refresh_token": kept["tokens"]["refresh_token"],
    }
    answer = httpx.post(kept["token_endpoint"], data=refresh, trust_env=False)
    assert answer.json()["error"] == "invalid_grant"
    status = subprocess.run([CLIENT, "status"], env=environment, capture_output=True, text=True, check=False)
    assert (status.returncode, status.stdout) == (1, "")


@pytest.mark.slow
def test_a_running_job_loses_nothing_to_restarts(platform: Platform):
    environment = platform.logged_in("dev")
    job = subprocess.Popen(
        [sys.executable, "-c", _LONG_JOB],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stdout
    run_id = job.stdout.readline().strip()
    for service in ("mlflow", "minio-1", "keycloak"):
        time.sleep(2)
        platform.stack.container(service).restart(timeout=20)
    said = job.communicate(timeout=240)[1]
    assert job.returncode == 0, said[-3000:]
    token = platform.token("dev")
    asked = f"/api/2.0/mlflow/metrics/get-history?run_id={run_id}&metric_key=step"
    logged = platform.ask(token, "GET", asked).json()["metrics"]
    assert [metric["step"] for metric in logged] == list(range(60))  # each once
    files = {key.rpartition("/")[2] for key in platform.objects(token) if run_id in key}
    assert files == {f"{step}.txt" for step in range(60)}
