"""A stack under the real CLI."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_minio as minio
import pytest

from offline.providers.minio.server import Server

from ..stacks import Stack
from .inputs import document


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_under_the_real_cli(pulumi_stack: Callable[..., Stack], config: dict[str, Any], server: Server):
    def program() -> None:
        provider = minio.Provider(
            "server",
            minio_server=config["minioServer"],
            minio_user="root",
            minio_password=pulumi.Output.secret(config["minioPassword"]),
            minio_ssl=False,
            minio_region="us-east-1",
        )
        opts = pulumi.ResourceOptions(provider=provider)
        bucket = minio.S3Bucket("data", bucket="stack-data", opts=opts)
        versioning = minio.S3BucketVersioning(
            "data", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=opts
        )
        minio.IlmPolicy(
            "data",
            bucket=bucket.bucket,
            rules=[{"id": "old", "noncurrent_version_expiration_days": 30, "expiration": "DeleteMarker"}],
            opts=pulumi.ResourceOptions(provider=provider, depends_on=[versioning]),
        )
        policy = minio.IamPolicy(
            "data",
            policy=bucket.bucket.apply(lambda name: document("s3:GetObject", "s3:PutObject", bucket=name)),
            opts=opts,
        )
        user = minio.IamUser("worker", secret=pulumi.Output.secret("hush-hush"), opts=opts)
        minio.IamUserPolicyAttachment("worker", user_name=user.name, policy_name=policy.name, opts=opts)

    stack = pulumi_stack(program)
    assert stack.preview()["create"] == 8
    assert stack.up()["create"] == 8
    assert stack.up() == {"same": 8}
    assert stack.refresh() == {"same": 8}
    assert stack.preview() == {"same": 8}
    assert "hush-hush" not in stack.state_file()
    assert config["minioPassword"] not in stack.state_file()
