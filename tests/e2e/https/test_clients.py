"""The client package and S3 tools over https, by the authority that was given at the login."""

import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import requests
import urllib3
from minio import Minio

from tests.e2e import test_developer
from tests.e2e.conftest import CLIENT, Platform

pytestmark = pytest.mark.e2e


test_a_model_predicts_elsewhere = test_developer.test_a_developer_trains_a_model_that_predicts_in_another_process


def test_what_env_prints_is_all_that_s3_tools_need(platform: Platform, tmp_path: Path):
    platform.log_in("dev", tmp_path, "--aws-profile", "mlflow")
    home = {"XDG_STATE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    script = f"""
eval "$({CLIENT} env)"
{sys.executable} - <<'PYTHON'
import boto3, os
s3 = boto3.client("s3")
s3.put_object(Bucket="{platform.outputs["artifact_bucket"]}", Key="by-env", Body=b"mine")
print(s3.get_object(Bucket="{platform.outputs["artifact_bucket"]}", Key="by-env")["Body"].read().decode())
PYTHON
"""
    environment = platform.environment(**home)
    assert platform.run(["sh", "-c", script], environment).splitlines()[-1] == "mine"


def test_a_multipart_upload_and_a_link_to_it_pass(platform: Platform):
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    body = b"part" * 2_000_000
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    parts = [
        {
            "PartNumber": number,
            "ETag": s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=number, Body=body)["ETag"],
        }
        for number in (1, 2)
    ]
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    link = platform.s3(platform.token("dev"), signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "parts"}, ExpiresIn=60
    )
    assert link.startswith(f"{platform.outputs['s3_endpoint_url']}/{bucket}/parts?")
    answer = requests.get(link, timeout=30, verify=str(platform.authority))
    assert answer.status_code == 200, answer.text[:1000]
    assert answer.content == body * 2


def test_minios_own_client_as_mc_does(platform: Platform):
    session = platform.session(platform.token("dev"))
    client = Minio(
        session["endpoint"].removeprefix("https://"),
        access_key=session["access_key"],
        secret_key=session["secret_key"],
        session_token=session["session_token"],
        region=session["region"],
        http_client=urllib3.PoolManager(ca_certs=str(platform.authority)),
    )
    bucket = platform.outputs["artifact_bucket"]
    client.fput_object(bucket, "by-mc", __file__)
    assert client.get_object(bucket, "by-mc").data == Path(__file__).read_bytes()


def test_who_does_not_trust_the_authority_is_told_so_and_sends_nothing(platform: Platform, tmp_path: Path):
    environment = platform.environment(XDG_STATE_HOME=str(tmp_path), HOME=str(tmp_path))
    done = subprocess.run(
        [CLIENT, "login", "--device"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "--ca-file" in done.stderr


def test_s3_over_http_is_one_clear_error(platform: Platform):
    session = platform.session(platform.token("dev"))
    ports = platform.stack.ports
    endpoint = session["endpoint"].replace("https://", "http://").replace(str(ports["https"]), str(ports["http"]))
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=session["region"],
        aws_access_key_id=session["access_key"],
        aws_secret_access_key=session["secret_key"],
        aws_session_token=session["session_token"],
    )
    with pytest.raises(Exception, match=re.escape(f"S3 is at {session['endpoint']} here")):
        s3.list_objects_v2(Bucket=platform.outputs["artifact_bucket"])
