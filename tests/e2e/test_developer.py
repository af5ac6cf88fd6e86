"""A data scientist's day: log in, train, register, load elsewhere; and where her credentials end."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException

from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e


def test_a_developer_trains_a_model_that_predicts_in_another_process(platform: Platform, trained: str):
    assert "accuracy 0.9" in trained
    read, truth = platform.example("predict_digits.py", "dev").splitlines()
    agreed = [one == other for one, other in zip(read.split()[1:], truth.split()[1:], strict=True)]
    assert agreed.count(True) >= 8


def test_what_was_logged_is_in_mlflow_and_the_artifacts_are_in_minio(platform: Platform, trained: str):
    token, run_id = platform.token("dev"), trained.split()[1].rstrip(":")
    data = platform.ask(token, "GET", f"/api/2.0/mlflow/runs/get?run_id={run_id}").json()["run"]["data"]
    assert {param["key"] for param in data["params"]} == {"C", "max_iter"}
    assert [metric["key"] for metric in data["metrics"]] == ["accuracy"]
    files = {key.rpartition("/")[2] for key in platform.objects(token)}
    assert {"MLmodel", "requirements.txt"} <= files
    assert any(name.startswith("model.") for name in files)


def test_a_developers_credentials_open_the_artifact_bucket_and_nothing_else_in_minio(platform: Platform):
    root = boto3.client(
        "s3",
        endpoint_url=platform.outputs["s3_endpoint_url"],
        region_name=platform.outputs["s3_region"],
        aws_access_key_id=platform.outputs["minio_root"]["user"],
        aws_secret_access_key=platform.outputs["minio_root"]["password"],
    )
    root.create_bucket(Bucket="somebody-elses")
    root.put_object(Bucket="somebody-elses", Key="key", Body=b"theirs")

    s3 = platform.s3(platform.token("dev"))
    attempts = [
        lambda: s3.list_objects_v2(Bucket="somebody-elses"),
        lambda: s3.get_object(Bucket="somebody-elses", Key="key"),
        lambda: s3.put_object(Bucket="somebody-elses", Key="other", Body=b"mine"),
        lambda: s3.create_bucket(Bucket="a-bucket-of-mine"),
        lambda: s3.delete_bucket(Bucket=platform.outputs["artifact_bucket"]),
        lambda: s3.put_bucket_versioning(
            Bucket=platform.outputs["artifact_bucket"], VersioningConfiguration={"Status": "Suspended"}
        ),
    ]
    for attempt in attempts:
        with pytest.raises(ClientError, match="AccessDenied"):
            attempt()
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [platform.outputs["artifact_bucket"]]


def test_a_developers_credentials_are_no_good_for_minios_administration(platform: Platform):
    session = platform.session(platform.token("dev"))
    provider = StaticProvider(session["access_key"], session["secret_key"], session["session_token"])
    admin = MinioAdmin(endpoint=session["endpoint"].removeprefix("http://"), credentials=provider, secure=False)
    for attempt in (admin.info, admin.user_list, admin.policy_list, lambda: admin.user_add("intruder", "password123")):
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            attempt()


@pytest.mark.parametrize("user", ["dev", "vera"])
def test_nobody_talks_minio_into_credentials_that_outlive_the_stacks_own(platform: Platform, user: str):
    def asked(**changes: str) -> httpx.Response:
        request = {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", **changes}
        form = {**request, "WebIdentityToken": platform.token(user)}
        return httpx.post(platform.outputs["s3_endpoint_url"], data=form, trust_env=False)

    for seconds in ("31536000", "43200", "3601", "+3601"):
        for action in ("AssumeRoleWithWebIdentity", "AssumeRoleWithClientGrants"):
            refused = asked(Action=action, DurationSeconds=seconds, Token=platform.token(user))
            assert refused.status_code in (400, 403), (action, seconds)
            assert "SecretAccessKey" not in refused.text
    assert asked(DurationSeconds="3600").status_code == 200
    granted = ElementTree.fromstring(asked().content)  # without a word of it: as long as the token
    ends = next(element.text or "" for element in granted.iter() if element.tag.endswith("}Expiration"))
    assert (datetime.fromisoformat(ends) - datetime.now(UTC)).total_seconds() <= 300
