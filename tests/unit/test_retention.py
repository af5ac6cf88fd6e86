"""What leaves for good, and when: each setting reaches what keeps to it."""

import json

import pytest

from .graph import DEV, PROJECT, Graph, declare

DAY = 86400


@pytest.fixture(scope="module")
def short() -> Graph:
    days = {"deleted_days": 1, "noncurrent_days": 2, "unfinished_uploads_days": 3, "events_days": 4}
    return declare({**DEV, f"{PROJECT}:retention": json.dumps(days)})


def test_what_was_deleted_in_mlflow_leaves_after_its_days(short: Graph):
    assert json.loads(short.upload("mlflow", "/etc/mlflow-platform/server.json"))["deleted_days"] == 1


def test_versions_that_are_not_current_expire_and_with_the_last_one_what_says_that_it_was_deleted(short: Graph):
    (lifecycle,) = short.of(":IlmPolicy")
    assert lifecycle.inputs["rules"] == [
        {"id": "noncurrent", "noncurrentVersionExpirationDays": 2, "expiration": "DeleteMarker"}
    ]


def test_uploads_that_nobody_completed_end_by_the_servers_own_setting(short: Graph):
    assert "MINIO_API_STALE_UPLOADS_EXPIRY=72h0m0s" in short.container("minio-1").inputs["envs"]


def test_events_are_kept_and_end_those_of_administrators_too(short: Graph):
    (events,), (realm,) = short.of(":RealmEvents"), short.of("realm:Realm")
    assert (events.inputs["eventsEnabled"], events.inputs["adminEventsEnabled"]) == (True, True)
    assert events.inputs["eventsExpiration"] == 4 * DAY
    assert realm.inputs["attributes"]["adminEventsExpiration"] == str(4 * DAY)
    assert events.inputs["eventsListeners"] == ["jboss-logging"]


def test_by_default_there_are_weeks_to_change_ones_mind(dev: Graph):
    assert json.loads(dev.upload("mlflow", "/etc/mlflow-platform/server.json"))["deleted_days"] == 30
    assert dev.of(":IlmPolicy")[0].inputs["rules"][0]["noncurrentVersionExpirationDays"] == 30
