"""Buckets and their versioning."""

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, ResourceType
from ..values import UNKNOWN
from .common import Gone, unique

if TYPE_CHECKING:
    from .server import Server


class S3Bucket(ResourceType):
    """minio:index/s3Bucket:S3Bucket (pulumi-minio 0.17.1, over aminueza/terraform-provider-minio).

    Private buckets only: who may read is said by IAM policies. Unlike the official plugin a refresh sees the quota.
    """

    token = "minio:index/s3Bucket:S3Bucket"
    properties = {
        "bucket": Prop(str, computed=True, replaces=True),
        "bucketPrefix": Prop(str, replaces=True),
        "acl": Prop(str, default="private"),
        "forceDestroy": Prop(bool, implied=False),
        "objectLocking": Prop(bool, implied=False),
        "quota": Prop(int),
        "arn": Prop(str, output=True),
        "bucketDomainName": Prop(str, output=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["acl"] not in ("private", UNKNOWN):
            raise CheckError("acl", "the offline provider makes only 'private' buckets; leave acl out")
        if inputs.get("bucket") and inputs.get("bucketPrefix"):
            raise CheckError("bucketPrefix", "a bucket has either a name ('bucket') or a prefix, not both")
        return inputs

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs.get("bucket") or unique(inputs.get("bucketPrefix") or "terraform-")
        with client.calls():
            if client.s3.bucket_exists(name):
                raise ProviderError(f"there is a bucket {name} already; import it or choose another name")
            client.s3.make_bucket(name, client.region, bool(inputs.get("objectLocking")))
            if inputs.get("quota"):
                client.admin.bucket_quota_set(name, inputs["quota"])
        return name, _outputs(client, name, inputs)

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        with client.calls():
            if not client.s3.bucket_exists(id):
                return None
            quota = json.loads(client.admin.bucket_quota_get(id)).get("quota") or None
        return _outputs(client, id, {**state, "quota": quota})

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        if bool(inputs.get("objectLocking")) != bool(state.get("objectLocking")):
            raise ProviderError(f"object locking of bucket {id} is settled when it is made; make another bucket")
        if inputs.get("quota") != state.get("quota"):
            with client.calls():
                client.admin.bucket_quota_set(id, inputs.get("quota") or 0)
        return _outputs(client, id, inputs)

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            if state.get("forceDestroy"):
                _empty(client, id)
            client.s3.remove_bucket(id)


def _empty(client: "Server", bucket: str) -> None:
    """Removes every version of every object."""
    from minio.deleteobjects import DeleteObject

    versions = client.s3.list_objects(bucket, recursive=True, include_version=True)
    doomed = (DeleteObject(found.object_name or "", found.version_id) for found in versions)
    for error in client.s3.remove_objects(bucket, doomed):
        raise ProviderError(f"{error.name} in bucket {bucket} could not be removed: {error.message}")


def _outputs(client: "Server", name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "bucket": name,
        "bucketPrefix": inputs.get("bucketPrefix"),
        "acl": inputs.get("acl", "private"),
        "forceDestroy": bool(inputs.get("forceDestroy")),
        "objectLocking": bool(inputs.get("objectLocking")),
        "quota": inputs.get("quota"),
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{client.url}/minio/{name}",
    }


class S3BucketVersioning(ResourceType):
    """minio:index/s3BucketVersioning:S3BucketVersioning (pulumi-minio 0.17.1, over aminueza/terraform-provider-minio).

    Deleting it suspends versioning: the versions that there are stay.
    """

    token = "minio:index/s3BucketVersioning:S3BucketVersioning"
    properties = {
        "bucket": Prop(str, required=True, replaces=True),
        "versioningConfiguration": Prop(
            dict,
            of={
                "status": Prop(str, required=True),
                "excludedPrefixes": Prop(list, of=str),
                "excludeFolders": Prop(bool),
            },
            required=True,
        ),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        configuration = inputs["versioningConfiguration"]
        if configuration != UNKNOWN and configuration["status"] not in ("Enabled", "Suspended", UNKNOWN):
            raise CheckError("versioningConfiguration.status", "the status is either 'Enabled' or 'Suspended'")
        return inputs

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return inputs["bucket"], self.update(client, inputs["bucket"], {}, inputs)

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        try:
            with client.calls():
                now = client.s3.get_bucket_versioning(id)
        except Gone:
            return None
        return {
            "bucket": id,
            "versioningConfiguration": {
                "status": now.status or "",
                "excludedPrefixes": now.excluded_prefixes or [],
                "excludeFolders": now.exclude_folders,
            },
        }

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:

        wanted = inputs["versioningConfiguration"]
        try:
            with client.calls():
                _set_versioning(client, id, wanted)
        except Gone:
            raise ProviderError(f"there is no bucket {id} to set the versioning of; make it first") from None
        return {
            "bucket": id,
            "versioningConfiguration": {
                "status": wanted["status"],
                "excludedPrefixes": wanted.get("excludedPrefixes") or [],
                "excludeFolders": bool(wanted.get("excludeFolders")),
            },
        }

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with suppress(Gone), client.calls():
            _set_versioning(client, id, {"status": "Suspended"})


def _set_versioning(client: "Server", bucket: str, wanted: dict[str, Any]) -> None:
    from minio.versioningconfig import VersioningConfig

    client.s3.set_bucket_versioning(
        bucket,
        VersioningConfig(
            wanted["status"],
            excluded_prefixes=wanted.get("excludedPrefixes"),
            exclude_folders=bool(wanted.get("excludeFolders")),
        ),
    )
