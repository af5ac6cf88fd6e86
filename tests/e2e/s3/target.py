"""What is attacked: a MinIO by its own port and by the gateway, and what is in it before and after."""

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config

from tests.e2e.s3.signing import Door, Keys


@dataclass(frozen=True)
class Target:
    """Two doors to one bucket. An attacker may know every key's name, and `service`'s secret where he is a user."""

    doors: dict[str, Door]
    root: Keys
    service: Keys  # may read and write the bucket
    ours: bool  # built here, with our patches

    @cached_property
    def s3(self) -> BaseClient:
        """By root, and patient with a server that is still starting."""
        server = self.doors["server"]
        return boto3.client(
            "s3",
            endpoint_url=f"http://{server.host}",
            region_name=server.region,
            aws_access_key_id=self.root.access,
            aws_secret_access_key=self.root.secret,
            config=Config(retries={"total_max_attempts": 10, "mode": "standard"}),
        )

    def needs_our_patches(self) -> None:
        if not self.ours:
            pytest.skip("found after this image was made, or by us: only what we build is known to hold it")

    def contents(self) -> dict[str, list[Any]]:
        """All buckets, all versions of all objects, and what is half uploaded."""
        bucket = self.doors["server"].bucket
        versions = self.s3.list_object_versions(Bucket=bucket)
        kept = [*versions.get("Versions", []), *versions.get("DeleteMarkers", [])]
        uploads = self.s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        return {
            "buckets": sorted(found["Name"] for found in self.s3.list_buckets()["Buckets"]),
            "objects": sorted((it["Key"], it["VersionId"], it.get("ETag", "deleted")) for it in kept),
            "uploads": sorted((upload["Key"], upload["UploadId"]) for upload in uploads),
        }

    def names(self) -> set[str]:
        return {key for key, _, _ in self.contents()["objects"]}


@dataclass(frozen=True)
class Canary:
    """An object that nobody without keys may see, and an upload under way that nobody may use."""

    target: Target
    prefix: str = field(default_factory=lambda: f"canary-{secrets.token_hex(4)}")
    secret: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def key(self) -> str:
        return f"{self.prefix}/secret"

    @cached_property
    def upload(self) -> str:
        """The id of the upload."""
        it = {"Bucket": self.target.doors["server"].bucket, "Key": self.key}
        self.target.s3.put_object(**it, Body=self.secret.encode())
        return self.target.s3.create_multipart_upload(**it)["UploadId"]

    def clear(self) -> None:
        """Removes every version, as nothing but root may."""
        bucket, s3 = self.target.doors["server"].bucket, self.target.s3
        s3.abort_multipart_upload(Bucket=bucket, Key=self.key, UploadId=self.upload)
        for key, version, _ in self.target.contents()["objects"]:
            if key.startswith(self.prefix):
                s3.delete_object(Bucket=bucket, Key=key, VersionId=version)
