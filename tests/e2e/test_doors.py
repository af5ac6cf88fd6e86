"""Who is not let in, and where: readers, strangers, and anybody without credentials."""

import json

import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError

from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform
from tests.plugin.test_closed_by_default import private

pytestmark = pytest.mark.e2e

# The server's own variables, of which a fresh process in its container knows only some.
_AS_THE_SERVER = """
import os
from pathlib import Path
for process in Path("/proc").glob("[0-9]*/environ"):
    try:
        said = process.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended since, as a check of the container's health does
        continue
    variables = dict(line.split("=", 1) for line in said.split("\\0") if "=" in line)
    if "_MLFLOW_SERVER_FILE_STORE" in variables:
        os.environ.update(variables)
"""


def test_a_viewer_reads_runs_and_artifacts(platform: Platform, trained: str):
    token, run_id = platform.token("vera"), trained.split()[1].rstrip(":")
    experiment = platform.ask(token, "GET", "/api/2.0/mlflow/experiments/get-by-name?experiment_name=digits").json()
    search = {"experiment_ids": [experiment["experiment"]["experiment_id"]]}
    runs = platform.ask(token, "POST", "/api/2.0/mlflow/runs/search", json=search).json()["runs"]
    assert run_id in [run["info"]["run_id"] for run in runs]
    assert "truth" in platform.example("predict_digits.py", "vera")  # downloads the model


def test_a_viewer_writes_neither_records_nor_artifacts(platform: Platform, trained: str):
    token, run_id = platform.token("vera"), trained.split()[1].rstrip(":")
    writes = [
        ("/api/2.0/mlflow/runs/log-metric", {"run_id": run_id, "key": "forged", "value": 1, "timestamp": 1}),
        ("/api/2.0/mlflow/experiments/create", {"name": "a viewer's"}),
        ("/api/2.0/mlflow/runs/delete", {"run_id": run_id}),
        ("/api/2.0/mlflow/registered-models/create", {"name": "a viewer's"}),
    ]
    for path, body in writes:
        assert platform.ask(token, "POST", path, json=body).status_code == 403, path
    s3, bucket = platform.s3(token), platform.outputs["artifact_bucket"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket=bucket, Key="forged", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key=sorted(platform.objects(token))[0])


def test_who_may_write_removes_no_version_for_good(platform: Platform):
    """What a team overwrites or deletes is kept for an administrator, by either of S3's ways to delete a version."""
    s3, where = platform.s3(platform.token("dev")), {"Bucket": platform.outputs["artifact_bucket"], "Key": "kept"}
    first = s3.put_object(**where, Body=b"first")["VersionId"]
    s3.put_object(**where, Body=b"second")
    s3.delete_object(**where)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**where, VersionId=first)
    several = {"Objects": [{"Key": where["Key"], "VersionId": first}]}
    refused = s3.delete_objects(Bucket=where["Bucket"], Delete=several)["Errors"]
    assert [error["Code"] for error in refused] == ["AccessDenied"]
    kept = platform.s3(platform.token("ada")).get_object(**where, VersionId=first)
    assert kept["Body"].read() == b"first"


def test_a_user_of_no_team_sees_nothing_and_gets_no_credentials(platform: Platform, trained: str):
    token = platform.token("guest")
    for method, path in (
        ("POST", "/api/2.0/mlflow/experiments/search"),
        ("POST", "/api/2.0/mlflow/runs/search"),
        ("GET", "/api/2.0/mlflow/registered-models/search"),
        ("GET", "/"),
        ("POST", "/api/2.0/mlflow-platform/session"),
    ):
        assert platform.ask(token, method, path).status_code == 403, path
    sts = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": token}
    refused = httpx.post(platform.outputs["s3_endpoint_url"], data=sts, trust_env=False)
    assert refused.status_code in (400, 403)
    assert "<AccessKeyId>" not in refused.text


def test_without_a_token_every_route_of_the_app_is_refused_at_the_gateway(platform: Platform):
    program = _AS_THE_SERVER + (ROOT / "tests/plugin/list_routes.py").read_text()
    listed = platform.stack.run("mlflow", ["python", "-c", program])
    routes = private([(method, path) for method, path in json.loads(listed.splitlines()[-1])])
    assert len(routes) > 900
    with httpx.Client(base_url=platform.url, timeout=30, trust_env=False) as nobody:
        answers = {(method, path): nobody.request(method, path).status_code for method, path in routes}
    assert {route: status for route, status in answers.items() if status != 401} == {}


def test_s3_refuses_whoever_does_not_sign(platform: Platform):
    bucket = f"{platform.outputs['s3_endpoint_url']}/{platform.outputs['artifact_bucket']}"
    for method, url in (("GET", bucket), ("GET", f"{bucket}/key"), ("PUT", f"{bucket}/key"), ("DELETE", bucket)):
        answer = httpx.request(method, url, trust_env=False)
        assert answer.status_code == 403, (method, url)
        assert "AccessDenied" in answer.text


def test_the_published_ports_are_those_of_the_settings_and_on_loopback(platform: Platform):
    published = {
        (to["HostIp"], int(to["HostPort"]))
        for container in platform.stack.containers()
        for bindings in (container.attrs["HostConfig"]["PortBindings"] or {}).values()
        for to in bindings
    }
    assert published == {("127.0.0.1", port) for port in platform.stack.ports.values()}


@pytest.mark.parametrize(
    ("role", "databases"),
    [
        ("mlflow", {"mlflow"}),
        ("mlflow_auth", {"mlflow_auth", "keycloak"}),  # where it reads events, and nothing else: test_audit.py
        ("keycloak", {"keycloak"}),
    ],
)
def test_a_service_connects_to_its_own_database_and_to_no_other(platform: Platform, role: str, databases: set[str]):
    password = platform.stack.passwords()[f"postgres-{role.replace('_', '-')}"]

    def connect(database: str) -> None:
        server = {"host": "127.0.0.1", "port": platform.stack.ports["admin_postgres"], "connect_timeout": 10}
        psycopg.connect(dbname=database, user=role, password=password, **server).close()

    for own in databases:
        connect(own)
    for other in {"mlflow", "mlflow_auth", "keycloak"} - databases:
        with pytest.raises(psycopg.OperationalError, match="permission denied"):
            connect(other)
