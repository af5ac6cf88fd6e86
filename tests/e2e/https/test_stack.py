"""What a platform engineer sees of https: nothing changes by itself, and a renewal changes nothing else."""

import re
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from launcher.state import State
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

LEAF = "tls:index/locallySignedCert:LocallySignedCert"


def nearly_due(state: State) -> State:
    """The day before the leaf is renewed has come and gone: its end is nearer than a renewal may be."""
    for resource in state.deployment["resources"]:
        if resource["type"] == LEAF:
            soon = datetime.now(UTC) + timedelta(hours=resource["inputs"]["earlyRenewalHours"] - 24)
            resource["outputs"]["validityEndTime"] = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    return state


def test_up_again_a_refresh_and_a_preview_find_nothing_to_do(platform: Platform):
    stack = platform.stack
    for changes in (stack.up(), stack.refresh(), stack.preview()):
        assert set(changes) == {"same"}, changes


def test_status_names_each_sites_certificate(platform: Platform):
    shown = platform.stack.platform("status")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for site in ("mlflow", "login", "s3", "console"):
        assert re.search(rf"{site}\.e2e\.localhost:\d+ +well +89 days", shown.stdout), shown.stdout


def test_a_renewal_is_the_leaf_and_what_brings_it_and_ends_no_transfer(platform: Platform):
    stack = platform.stack
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key="long", Body=b"x" * 30_000_000)
    before = {str(c.name): c.id for c in stack.containers()}
    stack.edit_state(nearly_due)
    assert {kind for kind in stack.preview() if kind != "same"} <= {"replace", "create-replacement", "delete-replaced"}

    failed: list[str] = []
    done = threading.Event()

    def ask_all_the_time() -> None:
        while not done.is_set():
            try:
                assert httpx.get(f"{platform.url}/health", trust_env=False).status_code == 200
            except (httpx.HTTPError, AssertionError) as error:
                failed.append(str(error))

    body = s3.get_object(Bucket=bucket, Key="long")["Body"]
    received = len(body.read(1_000_000))
    asking = threading.Thread(target=ask_all_the_time)
    asking.start()
    try:
        assert stack.up()["replace"] == 3  # the leaf; the container that brings it, and the one with its files
    finally:
        done.set()
        asking.join()
    received += len(body.read())
    assert (received, failed) == (30_000_000, [])
    after = {str(c.name): c.id for c in stack.containers()}
    changed = {name.removeprefix(f"mlflow-{stack.name}-") for name in before if before[name] != after[name]}
    assert changed == {"certificates"}
    assert set(stack.preview()) == {"same"}
