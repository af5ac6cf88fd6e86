"""What a bucket does with its objects as they age."""

from collections.abc import Callable
from typing import Any

import pytest

from offline.providers.minio.server import Server

from ..harness import Case, Plugin, Refused, live
from .inputs import BUCKET, LIFECYCLE, behind

NONCURRENT = {"id": "noncurrent", "noncurrentVersionExpirationDays": 30, "expiration": "DeleteMarker"}


def _lifecycle(server: Server) -> Case:
    from minio.commonconfig import ENABLED, Filter
    from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

    server.s3.make_bucket("ages")
    stranger = LifecycleConfig([Rule(ENABLED, Filter(prefix=""), "other", expiration=Expiration(days=1))])
    return Case(
        LIFECYCLE,
        {"bucket": "ages", "rules": [NONCURRENT]},
        update={
            "bucket": "ages",
            "rules": [
                {**NONCURRENT, "noncurrentVersionExpirationDays": 7},
                {"id": "logs", "filter": "logs/", "expiration": "5d"},
                {"id": "tagged", "tags": {"kind": "scratch", "of": "test"}, "expiration": "2030-01-31"},
            ],
        },
        replace={"bucket": "other", "rules": [NONCURRENT]},
        drift=behind(lambda: server.s3.set_bucket_lifecycle("ages", stranger)),
        drifted={"rules"},
        vanish=behind(lambda: server.s3.delete_bucket_lifecycle("ages")),
    )


LIVES = [_lifecycle]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Server], Case], plugin: Plugin, server: Server):
    with server.calls():
        server.s3.list_buckets()  # the provider waits for the server to be ready
    live(plugin, case(server))


def test_the_server_has_the_rules_and_what_is_told_is_the_official_plugins(plugin: Plugin, server: Server):
    plugin.create(BUCKET, {"bucket": "ruled"})
    made = plugin.create(LIFECYCLE, {"bucket": "ruled", "rules": [NONCURRENT]})
    (rule,) = server.s3.get_bucket_lifecycle("ruled").rules  # pyright: ignore[reportOptionalMemberAccess]
    assert (rule.status, rule.rule_id) == ("Enabled", "noncurrent")
    assert rule.noncurrent_version_expiration and rule.noncurrent_version_expiration.noncurrent_days == 30
    assert rule.expiration and rule.expiration.expired_object_delete_marker
    assert made.outputs["rules"] == [{**NONCURRENT, "filter": "", "status": "Enabled", "tags": {}}]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"id": "a", "expiration": "soon"}, "number of days .* not 'soon'"),
        ({"id": "a", "expiration": "0d"}, "not '0d'"),
        ({"id": "a", "noncurrentVersionExpirationDays": 0}, "at least 1"),
        ({"id": "a", "expiration": "5d", "status": "Disabled"}, "leave the status out"),
        ({"expiration": "5d"}, "'rules.*id' is required|'id' is required"),
    ],
)
def test_wrong_rules_are_named(plugin: Plugin, rule: dict[str, Any], reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(LIFECYCLE, {"bucket": "ruled", "rules": [rule]})


def test_a_bucket_that_is_not_there_and_a_rule_that_does_nothing_are_named(plugin: Plugin):
    with pytest.raises(Refused, match="there is no bucket nowhere to set the lifecycle of"):
        plugin.create(LIFECYCLE, {"bucket": "nowhere", "rules": [NONCURRENT]})
    with pytest.raises(Refused, match="rule idle says nothing"):
        plugin.check(LIFECYCLE, {"bucket": "ruled", "rules": [{"id": "idle"}]})
