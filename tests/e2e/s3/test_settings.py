"""A bucket's settings are its administrators' alone: what docs/security.md says, asked of the real one."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

_OPEN = '{"Version": "2012-10-17", "Statement": []}'
_LIFECYCLE = {"Rules": [{"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}
_ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
_LOCK = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}

CHANGES: dict[str, Callable[[Any, str], Any]] = {
    "versioning": lambda s3, to: s3.put_bucket_versioning(Bucket=to, VersioningConfiguration={"Status": "Suspended"}),
    "lifecycle": lambda s3, to: s3.put_bucket_lifecycle_configuration(Bucket=to, LifecycleConfiguration=_LIFECYCLE),
    "no lifecycle": lambda s3, to: s3.delete_bucket_lifecycle(Bucket=to),
    "policy": lambda s3, to: s3.put_bucket_policy(Bucket=to, Policy=_OPEN),
    "no policy": lambda s3, to: s3.delete_bucket_policy(Bucket=to),
    "lock": lambda s3, to: s3.put_object_lock_configuration(Bucket=to, ObjectLockConfiguration=_LOCK),
    "encryption": lambda s3, to: s3.put_bucket_encryption(Bucket=to, ServerSideEncryptionConfiguration=_ENCRYPTION),
    "tags": lambda s3, to: s3.put_bucket_tagging(Bucket=to, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}),
    "notification": lambda s3, to: s3.put_bucket_notification_configuration(Bucket=to, NotificationConfiguration={}),
    "bucket": lambda s3, to: s3.delete_bucket(Bucket=to),
    "another bucket": lambda s3, to: s3.create_bucket(Bucket=f"{to}-another"),
}
READS: dict[str, Callable[[Any, str], Any]] = {
    "versioning": lambda s3, of: s3.get_bucket_versioning(Bucket=of),
    "lifecycle": lambda s3, of: s3.get_bucket_lifecycle_configuration(Bucket=of),
}


@pytest.mark.parametrize("user", ["vera", "dev"])
def test_nobody_else_changes_or_reads_them(platform: Platform, user: str):
    s3, bucket = platform.s3(platform.token(user)), platform.outputs["artifact_bucket"]
    done = []
    for name, ask in [*CHANGES.items(), *READS.items()]:
        try:
            ask(s3, bucket)
            done.append(name)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied", name
    assert done == []


def test_administrators_do(platform: Platform):
    s3, bucket = platform.s3(platform.token("ada")), platform.outputs["artifact_bucket"]
    assert READS["versioning"](s3, bucket)["Status"] == "Enabled"
    assert READS["lifecycle"](s3, bucket)["Rules"]
    CHANGES["tags"](s3, bucket)
    s3.delete_bucket_tagging(Bucket=bucket)


def test_who_writes_reads_versions_and_deletes_none_for_good(platform: Platform):
    """MinIO asks who reads a version, or lists them, for no more than GetObject and ListBucket."""
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    version = s3.put_object(Bucket=bucket, Key="settings/versions", Body=b"first")["VersionId"]
    s3.put_object(Bucket=bucket, Key="settings/versions", Body=b"second")
    listed = s3.list_object_versions(Bucket=bucket, Prefix="settings/versions")["Versions"]
    assert version in [each["VersionId"] for each in listed]
    assert s3.get_object(Bucket=bucket, Key="settings/versions", VersionId=version)["Body"].read() == b"first"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="settings/versions", VersionId=version)
    s3.delete_object(Bucket=bucket, Key="settings/versions")
