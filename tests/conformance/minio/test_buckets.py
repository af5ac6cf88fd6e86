"""Buckets and their versions."""

import io
from collections.abc import Callable

import pytest

from offline.providers.minio.server import Server

from ..harness import Case, Plugin, Refused, live
from .inputs import BUCKET, VERSIONING, behind


def _bucket(server: Server) -> Case:
    inputs = {"bucket": "life"}
    return Case(
        BUCKET,
        {**inputs, "quota": 1 << 30},
        update={**inputs, "quota": 2 << 30, "forceDestroy": True},
        replace={"bucket": "other"},
        drift=behind(lambda: server.admin.bucket_quota_set("life", 3 << 30)),
        drifted={"quota"},
        vanish=behind(lambda: server.s3.remove_bucket("life")),
        unimportable={"forceDestroy"},
    )


def _versioning(server: Server) -> Case:
    from minio.versioningconfig import VersioningConfig

    server.s3.make_bucket("versions")
    return Case(
        VERSIONING,
        {"bucket": "versions", "versioningConfiguration": {"status": "Enabled"}},
        update={
            "bucket": "versions",
            "versioningConfiguration": {"status": "Enabled", "excludedPrefixes": ["tmp/"], "excludeFolders": True},
        },
        replace={"bucket": "other", "versioningConfiguration": {"status": "Enabled"}},
        drift=behind(lambda: server.s3.set_bucket_versioning("versions", VersioningConfig("Suspended"))),
        drifted={"versioningConfiguration"},
        vanish=behind(lambda: server.s3.remove_bucket("versions")),
    )


LIVES = [_bucket, _versioning]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Server], Case], plugin: Plugin, server: Server):
    with server.calls():
        server.s3.list_buckets()  # the provider waits for the server to be ready
    live(plugin, case(server))


def test_a_full_bucket_is_removed_only_by_force(plugin: Plugin, server: Server):
    inputs = {"bucket": "full"}
    made = plugin.create(BUCKET, inputs)
    plugin.create(VERSIONING, {**inputs, "versioningConfiguration": {"status": "Enabled"}})
    for content in (b"x", b"y"):
        server.s3.put_object("full", "a", io.BytesIO(content), 1)
    server.s3.remove_object("full", "a")
    with pytest.raises(Refused, match="not empty"):
        plugin.delete(made)
    plugin.delete(plugin.update(made, {**inputs, "forceDestroy": True}))
    assert plugin.refresh(made) is None


def test_a_bucket_that_is_there_is_not_taken_over(plugin: Plugin, server: Server):
    server.s3.make_bucket("taken")
    with pytest.raises(Refused, match="there is a bucket taken already; import it"):
        plugin.create(BUCKET, {"bucket": "taken"})
