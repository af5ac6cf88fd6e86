"""What a platform engineer sees of https: nothing changes by itself, and a renewal changes nothing else."""

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from launcher.state import State
from tests.authority import authority, leaf
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform
from tests.e2e.stack import Stack, UpdateFailed

pytestmark = pytest.mark.e2e

SITES = ("mlflow_tracking_uri", "keycloak_url", "s3_endpoint_url", "minio_console_url")
LEAF = "tls:index/locallySignedCert:LocallySignedCert"


def nearly_due(state: State) -> State:
    """The day before the leaf is renewed has come and gone: its end is nearer than a renewal may be."""
    for resource in state.deployment["resources"]:
        if resource["type"] == LEAF:
            soon = datetime.now(UTC) + timedelta(hours=resource["inputs"]["earlyRenewalHours"] - 24)
            resource["outputs"]["validityEndTime"] = soon.strftime("%Y-%m-%dT%H:%M:%SZ")
    return state


@pytest.mark.slow
def test_up_again_a_refresh_and_a_preview_find_nothing_to_do(platform: Platform):
    stack = platform.stack
    for changes in (stack.up(), stack.refresh(), stack.preview()):
        assert set(changes) == {"same"}, changes


def test_status_names_each_sites_certificate(platform: Platform):
    shown = platform.stack.platform("status")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for site in ("mlflow", "login", "s3", "console"):
        assert re.search(rf"{site}\.e2e\.localhost:\d+ +well +89 days", shown.stdout), shown.stdout


@contextmanager
def asked_all_the_time(url: str, trusted: ssl.SSLContext) -> Iterator[list[str]]:
    """Each time by a new connection; yields what failed, one after the other."""
    failed: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert httpx.get(url, trust_env=False, verify=trusted).status_code == 200
            except (httpx.HTTPError, AssertionError) as error:
                failed.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield failed
    finally:
        done.set()
        asking.join()


@pytest.mark.slow
def test_a_renewal_is_the_leaf_and_what_brings_it_and_ends_no_transfer(platform: Platform):
    stack, trusted = platform.stack, ssl.create_default_context(cafile=platform.authority)
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key="long", Body=b"x" * 30_000_000)
    before = {str(c.name): c.id for c in stack.containers()}
    stack.edit_state(nearly_due)
    assert {kind for kind in stack.preview() if kind != "same"} <= {"replace", "create-replacement", "delete-replaced"}

    body = s3.get_object(Bucket=bucket, Key="long")["Body"]
    received = len(body.read(1_000_000))
    with asked_all_the_time(f"{platform.url}/health", trusted) as failed:
        assert stack.up()["replace"] == 3  # the leaf; the container that brings it, and the one with its files
    received += len(body.read())
    assert (received, failed) == (30_000_000, [])
    after = {str(c.name): c.id for c in stack.containers()}
    changed = {name.removeprefix(f"mlflow-{stack.name}-") for name in before if before[name] != after[name]}
    assert changed == {"certificates"}
    assert set(stack.preview()) == {"same"}


@pytest.mark.slow
def test_certificates_from_files_take_over_one_after_the_other_and_no_request_fails(platform: Platform, tmp_path: Path):
    """Each has a key of its own, which NGINX takes up by a reload."""
    stack, issuer = platform.stack, authority("A company's")
    names = [urlsplit(platform.outputs[url]).hostname or "" for url in SITES]
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    trusted = ssl.create_default_context(cafile=platform.authority)
    trusted.load_verify_locations(cadata=issuer.pem)
    former = stack.set({"tls": {"mode": "files", "certificate": str(chain), "key": str(key)}})
    try:
        with asked_all_the_time(f"{platform.url}/health", trusted) as failed:
            for _ in range(2):
                pair = leaf(issuer, names)
                chain.write_text(pair.pem + issuer.pem)
                key.write_text(pair.key_pem)
                stack.up()
                assert set(stack.preview()) == {"same"}
        assert failed == []
        shown = stack.platform("status")
        assert (shown.returncode, shown.stdout.count("A company's")) == (0, len(names)), shown.stdout + shown.stderr
        key.write_text(leaf(issuer, names).key_pem)
        with pytest.raises(UpdateFailed, match="tls.key: is not the key of"):
            stack.preview()
    finally:
        stack.set(former)
        stack.up()


def test_the_stack_file_for_a_teams_own_domain_previews_with_nothing_running(has_pulumi: None, tmp_path: Path):
    stack_file = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]
    settings = {key.partition(":")[2]: value for key, value in stack_file.items()}
    stack = Stack(tmp_path, {"dev_users": None, **settings, "ports": {}}, {})
    assert set(stack.preview()) == {"create"}
