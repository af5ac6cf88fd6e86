"""What is deleted comes back for its days, then leaves for good, once; and nobody hurries it."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
import docker
import pytest
from botocore.exceptions import ClientError
from docker.models.containers import Container
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider

from components.policies import team_policy
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

ROUND = ["python", "-m", "mlflow_platform.server.retention"]
API = "/api/2.0/mlflow"


class Deleted:
    """A run that dev made, with an artifact, and ada deleted, for which it takes more rights."""

    def __init__(self, platform: Platform):
        self.platform = platform
        self.token = platform.token("dev")
        self.experiment = self._post("experiments/create", name=f"e-{time.monotonic_ns()}")["experiment_id"]
        run = self._post("runs/create", experiment_id=self.experiment)["run"]["info"]
        self.id, self.key = run["run_id"], run["artifact_uri"].removeprefix("s3://mlflow/") + "/model.bin"
        self.version = platform.s3(self.token).put_object(Bucket="mlflow", Key=self.key, Body=b"weights")["VersionId"]
        self._post("runs/delete", platform.token("ada"), run_id=self.id)

    def _post(self, path: str, token: str | None = None, **body: Any) -> dict[str, Any]:
        answer = self.platform.ask(token or self.token, "POST", f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def is_there(self) -> bool:
        answer = self.platform.ask(self.token, "GET", f"{API}/runs/get", params={"run_id": self.id})
        assert answer.status_code in (200, 403, 404)  # nobody may read a run that MLflow does not find
        return answer.status_code == 200

    def ages(self, days: int) -> None:
        past = f"deleted_time = deleted_time - {days * 86400000}"
        sql(self.platform, f"UPDATE runs SET {past} WHERE run_uuid = '{self.id}'")


def sql(platform: Platform, statement: str, database: str = "mlflow") -> str:
    return platform.stack.run("postgres", ["psql", "-U", "postgres", "-d", database, "-Atc", statement]).strip()


def said_to_be_gone(log: str, id: str) -> int:
    """How often the audit trail says so."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return sum(line["event"] == "deleted for good" and line.get("id") == id for line in lines)


@pytest.fixture(scope="module")
def root(platform: Platform) -> Any:
    """MinIO's administrator, past the gateway."""
    keys = platform.outputs["minio_root"]
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{platform.stack.ports['admin_minio']}",
        region_name="us-east-1",
        aws_access_key_id=keys["user"],
        aws_secret_access_key=keys["password"],
    )


@contextmanager
def another_container(platform: Platform) -> Iterator[Container]:
    """Of the same kind as MLflow's, with its secrets, ready to run one round."""
    host, mlflow = docker.from_env(), platform.stack.container("mlflow")
    networks = list(mlflow.attrs["NetworkSettings"]["Networks"])
    replica = host.containers.create(
        mlflow.attrs["Image"],
        entrypoint=ROUND,
        environment=mlflow.attrs["Config"]["Env"],
        volumes_from=[f"mlflow-{platform.stack.name}-mlflow-files"],
        network=networks[0],
    )
    try:
        for network in networks[1:]:
            host.networks.get(network).connect(replica)
        yield replica
    finally:
        replica.remove(force=True, v=True)


def test_a_deleted_run_can_be_restored_for_its_days_and_then_leaves_once_with_its_artifacts(
    platform: Platform, root: Any
):
    run = Deleted(platform)
    assert said_to_be_gone(platform.stack.run("mlflow", ROUND), run.id) == 0
    assert run.is_there
    run.ages(31)

    logs: list[str] = []
    with another_container(platform) as replica, ThreadPoolExecutor() as pool:
        while run.is_there:  # the container's own round may be under way, and have looked before
            replica.start()
            here = [pool.submit(platform.stack.run, "mlflow", ROUND) for _ in range(2)]
            assert replica.wait()["StatusCode"] == 0
            logs += [round.result() for round in here]
        logs += [replica.logs().decode(), platform.stack.container("mlflow").logs().decode()]

    assert sum(said_to_be_gone(log, run.id) for log in logs) == 1
    assert not run.is_there
    assert sql(platform, f"SELECT count(*) FROM runs WHERE run_uuid = '{run.id}'") == "0"
    assert run.key not in platform.objects(run.token)
    versions = root.list_object_versions(Bucket="mlflow", Prefix=run.key)
    assert [(kept["VersionId"], kept["IsLatest"]) for kept in versions["Versions"]] == [(run.version, False)]
    assert [marker["IsLatest"] for marker in versions["DeleteMarkers"]] == [True]


def test_two_rounds_are_never_under_way_at_once(platform: Platform):
    """A session that holds the lock is a round that takes its time."""
    hold = "SELECT pg_advisory_lock(x'6D6C666C6F77'::bigint); SELECT pg_sleep(8)"
    run = Deleted(platform)
    run.ages(31)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(sql, platform, hold)
        time.sleep(1.5)
        said = platform.stack.container("mlflow").exec_run(ROUND)
        assert said.exit_code == 0
        assert b"another round of retention is under way" in said.output
        assert run.is_there
        slow.result()
    assert said_to_be_gone(platform.stack.run("mlflow", ROUND), run.id) == 1


def test_versions_that_are_not_current_expire_by_the_buckets_own_rule(platform: Platform, root: Any):
    (rule,) = root.get_bucket_lifecycle_configuration(Bucket="mlflow")["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert rule["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert not rule.get("Filter", {}).get("Prefix")
    assert root.get_bucket_versioning(Bucket="mlflow")["Status"] == "Enabled", "neither undid the other"


def test_nobody_but_the_server_decides_when_something_leaves(platform: Platform):
    run = Deleted(platform)
    when = f"SELECT deleted_time FROM runs WHERE run_uuid = '{run.id}'"
    before = sql(platform, when)
    for path, body in (
        ("runs/update", {"run_id": run.id, "deleted_time": 1, "end_time": 1, "status": "FINISHED"}),
        ("runs/set-tag", {"run_id": run.id, "key": "deleted_time", "value": "1"}),
        ("runs/delete", {"run_id": run.id, "deleted_time": 1}),
        ("experiments/delete", {"experiment_id": run.experiment, "last_update_time": 1}),
    ):
        for token in (run.token, platform.token("ada")):
            platform.ask(token, "POST", f"{API}/{path}", json=body)
    assert int(sql(platform, when)) >= int(before)
    oldest = "SELECT last_update_time FROM experiments WHERE experiment_id = " + run.experiment
    assert int(sql(platform, oldest)) >= int(before)
    for path in ("/api/2.0/mlflow-platform/retention", "/api/2.0/mlflow/gc", "/ajax-api/3.0/jobs"):
        for token in (run.token, platform.token("ada")):
            assert platform.ask(token, "POST", path, json={"job_name": "gc"}).status_code in (403, 404, 405)
    platform.stack.run("mlflow", ROUND)
    assert run.is_there


def test_a_member_neither_changes_the_rules_nor_deletes_what_they_keep(platform: Platform, root: Any):
    run = Deleted(platform)
    s3 = platform.s3(run.token)
    s3.delete_object(Bucket="mlflow", Key=run.key)
    rules = {"Rules": [{"ID": "now", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]}
    refused: list[Callable[[], Any]] = [
        lambda: s3.put_bucket_lifecycle_configuration(Bucket="mlflow", LifecycleConfiguration=rules),
        lambda: s3.delete_bucket_lifecycle(Bucket="mlflow"),
        lambda: s3.put_bucket_versioning(Bucket="mlflow", VersioningConfiguration={"Status": "Suspended"}),
        lambda: s3.delete_object(Bucket="mlflow", Key=run.key, VersionId=run.version),
    ]
    for number, attempt in enumerate(refused):
        with pytest.raises(ClientError) as error:
            attempt()
            pytest.fail(f"attempt {number} was let through")
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403), number
    assert root.get_object(Bucket="mlflow", Key=run.key, VersionId=run.version)["Body"].read() == b"weights"


def test_a_team_does_not_read_the_versions_that_are_kept_of_another(platform: Platform, root: Any):
    run = Deleted(platform)
    root.delete_object(Bucket="mlflow", Key=run.key)
    keys = platform.outputs["minio_root"]
    endpoint = f"127.0.0.1:{platform.stack.ports['admin_minio']}"
    admin = MinioAdmin(endpoint=endpoint, credentials=StaticProvider(keys["user"], keys["password"]), secure=False)
    admin.policy_add("theirs", policy=json.loads(team_policy("mlflow", [], ["theirs/"], 3600)))
    admin.user_add("of-theirs", "a-secret-of-theirs")
    admin.attach_policy(["theirs"], user="of-theirs")
    member = boto3.client(
        "s3",
        endpoint_url=f"http://{endpoint}",
        region_name="us-east-1",
        aws_access_key_id="of-theirs",
        aws_secret_access_key="a-secret-of-theirs",
    )
    member.put_object(Bucket="mlflow", Key="theirs/own", Body=b"theirs")
    attempts: list[Callable[[], Any]] = [
        lambda: member.get_object(Bucket="mlflow", Key=run.key, VersionId=run.version),
        lambda: member.head_object(Bucket="mlflow", Key=run.key, VersionId=run.version),
        lambda: member.list_object_versions(Bucket="mlflow", Prefix=run.key),
        lambda: member.list_object_versions(Bucket="mlflow"),
        lambda: member.copy_object(
            Bucket="mlflow",
            Key="theirs/copy",
            CopySource={"Bucket": "mlflow", "Key": run.key, "VersionId": run.version},
        ),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError, match="AccessDenied|403"):
            attempt()
    admin.user_remove("of-theirs")
    admin.policy_remove("theirs")


@pytest.mark.slow
def test_rounds_come_by_themselves_after_a_restart_too_and_a_failure_takes_no_server_down(platform: Platform):
    poisoned = Deleted(platform)
    of_it = f"WHERE run_uuid = '{poisoned.id}'"
    sql(platform, f"UPDATE runs SET artifact_uri = 's3://elsewhere/x' {of_it}")
    run = Deleted(platform)
    poisoned.ages(31)
    run.ages(31)
    mlflow = platform.stack.container("mlflow")
    restarted = time.time()
    mlflow.restart(timeout=20)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and b"a round of retention failed" not in mlflow.logs(since=int(restarted)):
        time.sleep(2)
    log = mlflow.logs(since=int(restarted)).decode()
    assert said_to_be_gone(log, run.id) == 1
    assert f"the deleted run {poisoned.id} cannot leave" in log
    assert "a round of retention failed" in log
    assert not run.is_there and poisoned.is_there
    assert not [secret for secret in platform.stack.passwords().values() if secret in log]
    sql(platform, f"UPDATE runs SET deleted_time = {int(time.time() * 1000)} {of_it}")  # in nobody's way
