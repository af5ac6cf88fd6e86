"""MinIO alone, of a given shape, and the links by which a client without an SDK moves objects."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import minio
from docker.models.containers import Container

from components.images import BASE, PINS
from side_by_side.servers import BUCKET, SECRET, STATIC_KEY, http
from side_by_side.stage import Stage, wait_for

REGION = "us-east-1"
_FIRST = 10  # address of the first node
_LIFE = timedelta(hours=12)  # of a link


@dataclass(frozen=True)
class Store:
    """Running nodes; all are found by the name `minio`, as on the platform's network."""

    nodes: Sequence[Container]
    addresses: Sequence[str]  # host:port

    @classmethod
    def started(cls, stage: Stage, nodes: int, drives: int) -> "Store":
        image = stage.build(PINS["minio"], "mlflow-platform/bench-minio", BASE["local"])
        paths = "/data1" if drives == 1 else f"/data{{1...{drives}}}"
        command = ["server", paths if nodes == 1 else f"http://minio-{{1...{nodes}}}:9000{paths}", "--address", ":9000"]
        containers = [
            stage.start(
                f"minio-{number + 1}",
                _FIRST + number,
                image,
                command,
                env={"MINIO_ROOT_USER": STATIC_KEY, "MINIO_ROOT_PASSWORD": SECRET, "HOME": "/tmp"},
                aliases=["minio"],
                volumes=[f"/data{drive + 1}" for drive in range(drives)],
            )
            for number in range(nodes)
        ]
        addresses = [f"{stage.address(_FIRST + number)}:9000" for number in range(nodes)]
        for container, address in zip(containers, addresses, strict=True):
            wait_for(container, lambda url=f"http://{address}/minio/health/cluster": http.get(url, timeout=5).ok)
        client(addresses[0], secure=False).make_bucket(BUCKET)
        return cls(containers, addresses)


def client(host: str, *, secure: bool) -> Any:
    return minio.Minio(host, STATIC_KEY, SECRET, secure=secure, region=REGION)


def links(hosts: Sequence[str], keys: Sequence[str], direction: str, *, secure: bool) -> list[str]:
    """One link a key, at the hosts in turn: signed without the body, so that each way signs the same."""
    signers = [client(host, secure=secure) for host in hosts]
    return [
        getattr(signers[number % len(signers)], f"presigned_{'put' if direction == 'up' else 'get'}_object")(
            BUCKET, key, expires=_LIFE
        )
        for number, key in enumerate(keys)
    ]
