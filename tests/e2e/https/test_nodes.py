"""Four MinIO nodes behind https under load: one of them dies, and then a setting replaces all of them."""

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any

import httpx
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from docker.models.containers import Container

from tests.e2e.conftest import Platform
from tests.e2e.https.conftest import over_https
from tests.e2e.https.load import PREFIX, Load, Request, differing

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WARM, DOWN, BACK = 10.0, 25.0, 15.0  # seconds under load: before a node dies, without it, and with it again
CALM = 10.0  # seconds after which nothing of a node's death may be left
NODE = "minio-2"
# `docker logs --timestamps`, and what the gateway writes of a request when it has ended.
_LINE = re.compile(
    r"(?P<ended>\S+)Z \S+ \[\S+\] (?P<method>\S+) (?P<path>.+) (?P<status>\d{3}) \d+ (?P<seconds>[\d.]+) (?P<asked>.+)"
)


@dataclass(frozen=True)
class Logged:
    """One request as the gateway saw it; times are Unix, in seconds."""

    method: str
    path: str
    status: int
    began: float
    ended: float
    asked: list[str]  # the servers, in the order in which they were asked

    def is_of(self, request: Request) -> bool:
        same = self.method == request.method and self.path.rstrip("/") == request.path
        return same and request.began - 1 < self.ended < request.ended + 1


@pytest.fixture(scope="module")
def platform(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with over_https(tmp_path_factory.mktemp("nodes"), storage={"nodes": 4, "drives": 2}) as made:
        yield made


@pytest.fixture(scope="module")
def client(platform: Platform) -> Callable[[int], Any]:
    """boto3 with one login's credentials, that tries so often."""
    token = platform.token("dev")

    def made(attempts: int) -> Any:
        return platform.s3(token, retries={"mode": "standard", "total_max_attempts": attempts}, max_pool_connections=20)

    return made


def test_when_a_node_dies_what_it_was_answering_fails_and_nothing_else(
    platform: Platform, client: Callable[[int], Any]
):
    stack, bucket, s3 = platform.stack, platform.outputs["artifact_bucket"], client(1)
    node, gateway = stack.container(NODE), stack.container("gateway")
    address = _address(node)
    with Load(s3, bucket, readers=8) as load:
        time.sleep(WARM)
        _until(lambda: _connections(platform, address) >= 2, 60)
        before = time.time()
        node.kill()
        dead = time.time()
        time.sleep(DOWN)
        node.start()  # what was killed by Docker's own command, no restart policy brings back
        started = time.time()
        time.sleep(BACK)
    logged = _logged(gateway, since=before - 60)
    broken = [it for it in logged if it.asked[-1] == address and it.began <= dead and it.ended >= before]
    others = [it for it in load.failed if not any(line.is_of(it) for line in broken)]
    turned = [it for it in logged if len(it.asked) > 1 and dead <= it.ended < started]
    until = max((it.ended - dead for it in turned), default=0.0)
    longest = max((it.ended - it.began for it in turned), default=0.0)
    print(
        f"\n{len(load.requests)} requests; {len(broken)} were at the node when it died, {len(load.failed)} failed; for "
        f"{until:.1f} s {len(turned)} asked there in vain, for up to {longest:.1f} s, and then another node; the "
        f"longest time without any answer was {load.gap(before):.1f} s"
    )
    for failure in load.failed:
        print(f"  {failure.method} {failure.began - dead:+.2f} to {failure.ended - dead:+.2f} s: {failure.error}")
    assert load.wrong == []
    assert broken
    assert others == []
    assert [it for it in load.failed if it.ended > dead + CALM] == []
    assert [it for it in turned if it.ended > dead + CALM] == []
    assert len(load.kept) > 50
    _healed(platform, s3, load)


def _healed(platform: Platform, s3: Any, load: Load) -> None:
    """What was written without the node is on its drives, too: enough to be read from it and one other node alone."""
    stack, bucket = platform.stack, platform.outputs["artifact_bucket"]
    _until(lambda: _health(stack.container(NODE)) == "healthy", 120)
    assert differing(s3, bucket, load.kept) == []
    lacking = _objects(platform, "minio-1") - _objects(platform, NODE)
    began = time.time()
    _heal(platform)
    _until(lambda: _objects(platform, NODE) >= _objects(platform, "minio-1") >= len(load.kept), 180)
    print(f"  it lacked {lacking} of {len(load.kept)} objects, which were healed within {time.time() - began:.0f} s")
    others = [stack.container(name) for name in ("minio-3", "minio-4")]
    for other in others:
        other.stop(timeout=20)
    try:
        time.sleep(6)  # as long as NGINX remembers an address
        assert differing(s3, bucket, load.kept) == []
    finally:
        for other in others:
            other.start()
        for other in others:
            _until(lambda node=other: _health(node) == "healthy", 120)


def test_a_node_whose_process_ends_is_started_again_by_docker(platform: Platform, client: Callable[[int], Any]):
    node = platform.stack.container(NODE)
    os.kill(node.attrs["State"]["Pid"], signal.SIGKILL)
    _until(lambda: platform.stack.container(NODE).attrs["RestartCount"] > 0, 30)
    _until(lambda: _health(platform.stack.container(NODE)) == "healthy", 120)


def test_a_setting_of_minio_replaces_all_nodes_at_once_and_clients_who_try_again_lose_nothing(
    platform: Platform, client: Callable[[int], Any]
):
    stack, bucket = platform.stack, platform.outputs["artifact_bucket"]
    before = {str(it.name): it.id for it in stack.containers()}
    with Load(client(10), bucket) as load:
        time.sleep(WARM)
        stack.set({"lifetimes": {"storage_credentials": 7200}})  # and with it MinIO's sessions
        began = time.time()
        done = stack.up()
        took = time.time() - began
        time.sleep(WARM)
    changed = {
        str(it.name).removeprefix(f"mlflow-{stack.name}-") for it in stack.containers() if it.id != before[str(it.name)]
    }
    print(
        f"\nup took {took:.0f} s and replaced {', '.join(sorted(changed))}; the longest time without any answer was "
        f"{load.gap(began):.1f} s; of {len(load.requests)} requests {len(load.failed)} failed for good"
    )
    assert done["replace"] >= 4
    assert {f"minio-{number}" for number in range(1, 5)} <= changed
    assert "gateway" not in changed
    assert load.wrong == []
    assert load.failed == []
    assert differing(client(3), bucket, load.kept) == []
    assert set(stack.preview()) == {"same"}


def _heal(platform: Platform) -> None:
    """As `mc admin heal --recursive` begins it: https://github.com/minio/madmin-go, heal-commands.go."""
    root, port = platform.outputs["minio_root"], platform.stack.ports["admin_minio"]
    url = f"http://127.0.0.1:{port}/minio/admin/v3/heal/{platform.outputs['artifact_bucket']}/"
    asked = AWSRequest("POST", url, data=json.dumps({"recursive": True, "scanMode": 1}))
    S3SigV4Auth(Credentials(root["user"], root["password"]), "s3", platform.outputs["s3_region"]).add_auth(asked)
    answer = httpx.post(url, content=asked.data, headers=dict(asked.headers), timeout=30, trust_env=False)
    assert answer.status_code == 200, answer.text


def _connections(platform: Platform, server: str) -> int:
    """How many the gateway has open to a server, as proc(5) shows them: little-endian addresses, and 01 for open."""
    host, _, port = server.partition(":")
    remote = f"{bytes(reversed(IPv4Address(host).packed)).hex()}:{int(port):04x}".upper()
    lines = platform.stack.run("gateway", ["cat", "/proc/net/tcp"]).splitlines()[1:]
    return sum(fields[2:4] == [remote, "01"] for fields in map(str.split, lines))


def _address(container: Container) -> str:
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    return f"{network['IPAddress']}:9000"


def _logged(gateway: Container, since: float) -> list[Logged]:
    text = gateway.logs(timestamps=True, since=int(since)).decode()
    found: list[Logged] = []
    for line in filter(None, map(_LINE.fullmatch, text.splitlines())):
        ended = datetime.fromisoformat(line["ended"][:26] + "+00:00").timestamp()
        began = ended - float(line["seconds"])
        asked = line["asked"].split(", ")
        found.append(Logged(line["method"], line["path"], int(line["status"]), began, ended, asked))
    assert found, "the gateway's log has another format than this test reads"
    return found


def _objects(platform: Platform, node: str) -> int:
    """How many objects have their part on each of a node's drives."""
    bucket = platform.outputs["artifact_bucket"]
    counts = [
        platform.stack.run(node, ["find", f"/data{drive}/{bucket}/{PREFIX}", "-name", "xl.meta"]).count("xl.meta")
        for drive in (1, 2)
    ]
    return min(counts)


def _health(container: Container) -> str:
    container.reload()
    return container.attrs["State"]["Health"]["Status"]


def _until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(1)
