"""Stacks of another shape, or next to each other; each takes minutes."""

import time
from collections.abc import Iterator
from pathlib import Path

import docker
import httpx
import pytest

from tests.e2e.conftest import Platform, brought_up
from tests.e2e.s3.signing import hmac_token
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def cluster(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Four MinIO nodes with two drives each."""
    with brought_up(tmp_path_factory.mktemp("cluster"), {"storage": {"nodes": 4, "drives": 2}}) as stack:
        yield stack


def test_artifacts_are_written_and_read_while_one_of_four_minio_nodes_is_down(cluster: Stack):
    platform = Platform(cluster, cluster.outputs())
    assert set(cluster.preview()) == {"same"}
    assert sum("minio" in str(container.name) for container in cluster.containers()) == 4
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key="before", Body=b"before")

    cluster.container("minio-2").stop(timeout=20)

    for number in range(12):  # more than once around the nodes
        s3.put_object(Bucket=bucket, Key=f"during-{number}", Body=bytes([number]) * 1_000_000)
        assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"before"
        assert s3.get_object(Bucket=bucket, Key=f"during-{number}")["Body"].read() == bytes([number]) * 1_000_000
    cluster.container("minio-2").start()


def test_a_node_reads_nothing_outside_of_its_drives_even_for_its_peers_cve_2026_42600(cluster: Stack):
    """With the token that nodes show each other, made of root's password."""
    root = cluster.outputs()["minio_root"]
    claims = {"accessKey": root["user"], "exp": int(time.time()) + 600}
    headers = {
        "Authorization": f"Bearer {hmac_token({'alg': 'HS512', 'typ': 'JWT'}, claims, root['password'])}",
        "X-Minio-Time": str(time.time_ns()),
    }

    def read(port: int, bucket: str, prefix: str, file: str) -> bytes:
        url = f"http://localhost:{port}/minio/storage/data1/v63/rmpl"
        wanted = {"bk": bucket, "pr": prefix, "fl": [file], "ms": 0, "mo": False, "ab": False, "mr": 0}
        return httpx.post(url, content=_msgpack(wanted), headers=headers, trust_env=False).content

    node = cluster.ports["admin_minio"]
    assert b'"xl"' in read(node, ".minio.sys", "", "format.json")
    for bucket, prefix, file in (
        ("../run/secrets", "", "minio.env"),
        (".minio.sys", "../../run/secrets", "minio.env"),
        (".minio.sys", "", "../../run/secrets/minio.env"),
    ):
        assert b"MINIO_ROOT" not in read(node, bucket, prefix, file)
    assert b'"xl"' not in read(
        cluster.ports["s3"], ".minio.sys", "", "format.json"
    )  # nodes are not among whom the gateway lets in


def _msgpack(value: object) -> bytes:
    """As much of the format as the question needs; source: the MessagePack specification."""
    match value:
        case bool() | int():
            return bytes([(0xC2 + value) if isinstance(value, bool) else value])
        case str():
            return bytes([0xA0 + len(value)]) + value.encode()
        case list():
            return bytes([0x90 + len(value)]) + b"".join(map(_msgpack, value))
        case dict():
            return bytes([0x80 + len(value)]) + b"".join(_msgpack(item) for pair in value.items() for item in pair)
    raise TypeError(type(value))


def test_keys_get_other_names_on_all_nodes_at_once_and_nothing_is_lost(cluster: Stack):
    """As when a stack is brought up that was made with names that stood in the source."""
    before = cluster.outputs()
    platform = Platform(cluster, before)
    s3, it = platform.s3(platform.token("dev")), {"Bucket": before["artifact_bucket"], "Key": "kept"}
    s3.put_object(**it, Body=b"kept")
    written = cluster.run("mlflow", ["cat", "/run/secrets/mlflow.env"])

    cluster.replace("minio-root", "minio-mlflow-server", type="random:index/randomString:RandomString")

    platform = Platform(cluster, cluster.outputs())
    assert platform.outputs["minio_root"]["user"] != before["minio_root"]["user"]
    assert cluster.run("mlflow", ["cat", "/run/secrets/mlflow.env"]) != written
    assert platform.s3(platform.token("dev")).get_object(**it)["Body"].read() == b"kept"
    assert "truth" in platform.example("train_digits.py", "dev") + platform.example("predict_digits.py", "dev")
    assert set(cluster.preview()) == {"same"}


def test_two_stacks_share_a_machine_and_no_tokens(platform: Platform, tmp_path: Path):
    with brought_up(tmp_path) as stack:
        other = Platform(stack, stack.outputs())
        whoami = "/api/2.0/mlflow/users/current"
        for home, abroad in ((platform, other), (other, platform)):
            token = home.token("dev")
            assert home.ask(token, "GET", whoami).status_code == 200
            assert abroad.ask(token, "GET", whoami).status_code == 401


def test_a_stack_comes_up_again_after_its_end_from_the_images_that_were_built(has_pulumi: None, tmp_path: Path):
    """How long that takes, bench/up.py measures; what could make it long is an image that is built once more."""
    with brought_up(tmp_path) as stack:
        built = [container.attrs["Image"] for container in stack.containers()]
        volumes = stack.volumes()
        stack.destroy()
        assert stack.clear() == []
        assert len(volumes) > 10 and not volumes & {volume.name for volume in docker.from_env().volumes.list()}
        stack.up()
        assert [container.attrs["Image"] for container in stack.containers()] == built
        platform = Platform(stack, stack.outputs())
        assert platform.objects(platform.token("dev")) == set()
