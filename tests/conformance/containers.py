"""Containers that a test brings up for itself: on a free port of loopback, gone when it is done."""

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker


@contextmanager
def running(
    image: str, command: list[str], *, port: int, environment: Mapping[str, str], files: Mapping[str, str]
) -> Iterator[int]:
    """Runs a server with the given files (secrets go there, not into the environment); yields its host port."""
    options: dict[str, Any] = {
        "environment": dict(environment),
        "ports": {f"{port}/tcp": ("127.0.0.1", None)},
        "mem_limit": "1g",  # MinIO takes 64 MB for each encrypted call, and frees them late
        "labels": {"mlflow-platform.test": "conformance"},
    }
    container = docker.from_env().containers.create(image, command, **options)
    try:
        container.put_archive("/", archive(files))
        container.start()
        container.reload()
        yield int(container.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"])
    finally:
        container.remove(force=True, v=True)


def archive(files: Mapping[str, str]) -> bytes:
    """Files for `put_archive`, which makes their folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
