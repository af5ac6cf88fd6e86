"""The client's transfers against a real server: what it keeps of a file, and its restart in the middle of one."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
import requests
from docker.models.containers import Container
from mlflow_platform.client import storage, transfer
from mlflow_platform.client.discovery import Platform
from mlflow_platform.client.refusals import Renewed

from ..containers import archive

MB = 1024 * 1024
BUCKET = "mlflow"


@dataclass(frozen=True)
class Store:
    """A server that keeps its port when it restarts, a client of boto3's and one of obstore's that nobody helps."""

    container: Container
    endpoint: str
    boto3: Any
    fast: transfer._Fast


@pytest.fixture(scope="module")
def store(local_image: Callable[[str], str]) -> Iterator[Store]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    password, secret = secrets.token_hex(12), "/etc/root.env"
    container = docker.from_env().containers.create(
        local_image("minio"),
        ["server", "/data"],
        environment={"MINIO_CONFIG_ENV_FILE": secret},
        ports={"9000/tcp": ("127.0.0.1", port)},
        mem_limit="1g",
        labels={"mlflow-platform.test": "conformance"},
    )
    try:
        keys = f"MINIO_ROOT_USER=root\nMINIO_ROOT_PASSWORD={password}\n"
        container.put_archive("/", archive({secret: keys}))
        container.start()
        endpoint = f"http://127.0.0.1:{port}"
        wait_for(endpoint)
        platform = Platform(endpoint, endpoint, "", endpoint, "us-east-1", BUCKET, None)
        known = {"access_key": "root", "secret_key": password, "token": None, "expiry_time": "2999-01-01T00:00:00Z"}
        given = Renewed.create_from_metadata(known, refresh_using=lambda: known, method="test")
        client = storage._client("s3", platform, 10, given, s3={"addressing_style": "path"})
        client.create_bucket(Bucket=BUCKET)
        yield Store(container, endpoint, client, transfer._Fast(platform, given, 10))
    finally:
        container.remove(force=True, v=True)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def wait_for(endpoint: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{endpoint}/minio/health/cluster", timeout=5, proxies={"http": ""}).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.2)
    pytest.fail("MinIO does not answer")


@pytest.mark.parametrize("size", [1, MB, 8 * MB])
def test_what_goes_by_either_comes_back_by_the_other(store: Store, tmp_path: Path, size: int):
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    key, arguments = f"a b/ü {size}.txt", {"ContentType": "text/plain", "ContentEncoding": "gzip"}
    store.fast.upload_file(str(tmp_path / "file"), BUCKET, key, arguments)
    kept = store.boto3.head_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
    assert (kept["ContentLength"], kept["ContentType"], kept["ContentEncoding"]) == (size, "text/plain", "gzip")
    assert kept["ChecksumSHA256"]
    store.boto3.download_file(BUCKET, key, str(tmp_path / "by-boto3"))
    store.boto3.upload_file(str(tmp_path / "file"), BUCKET, "by-boto3")
    store.fast.download_file(BUCKET, "by-boto3", str(tmp_path / "by-obstore"))
    assert (tmp_path / "by-boto3").read_bytes() == (tmp_path / "by-obstore").read_bytes() == content


@pytest.mark.parametrize("size", [8 * MB + 1, 40 * MB])
def test_what_boto3_sent_in_parts_comes_back(store: Store, tmp_path: Path, size: int):
    (tmp_path / "file").write_bytes(content := os.urandom(size))
    store.boto3.upload_file(str(tmp_path / "file"), BUCKET, "large")
    store.fast.download_file(BUCKET, "large", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    with pytest.raises(ValueError, match="file"):
        store.fast.upload_file(str(tmp_path / "file"), BUCKET, "large")


def test_a_restart_in_the_middle_is_sat_out(store: Store, tmp_path: Path):
    (tmp_path / "file").write_bytes(content := os.urandom(MB) * 400)
    store.boto3.upload_file(str(tmp_path / "file"), BUCKET, "large")
    restarts = threading.Timer(0.3, lambda: store.container.restart(timeout=10))
    restarts.start()
    store.fast.download_file(BUCKET, "large", str(tmp_path / "back"))
    restarts.join()
    wait_for(store.endpoint)
    assert (tmp_path / "back").read_bytes() == content


def test_an_object_that_is_not_there_is_boto3s_to_tell(store: Store, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        store.fast.download_file(BUCKET, "nothing", str(tmp_path / "back"))
    assert not list(tmp_path.iterdir())
