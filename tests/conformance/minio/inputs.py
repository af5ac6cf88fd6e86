"""What the tests of the minio stand-in have in common: its types, policies, changes behind Pulumi's back."""

import json
from collections.abc import Callable
from typing import Any

from ..harness import Resource

BUCKET = "minio:index/s3Bucket:S3Bucket"
VERSIONING = "minio:index/s3BucketVersioning:S3BucketVersioning"
LIFECYCLE = "minio:index/ilmPolicy:IlmPolicy"
POLICY = "minio:index/iamPolicy:IamPolicy"
USER = "minio:index/iamUser:IamUser"
ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"


def document(*actions: str, bucket: str = "data", **layout: Any) -> str:
    resource = f"arn:aws:s3:::{bucket}/*"
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, **layout)


def behind(change: Callable[[], Any]) -> Callable[[Resource], None]:
    def made(resource: Resource) -> None:
        change()

    return made
