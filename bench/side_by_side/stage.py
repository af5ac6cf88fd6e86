"""The benchmark's own containers, on a network that nothing is published from; all gone at its end."""

import io
import random
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import docker
from docker.errors import APIError
from docker.models.containers import Container
from docker.types import IPAMConfig, IPAMPool

from components.images import Pin

ROOT = Path(__file__).resolve().parents[2]
LABEL = "mlflow-platform.bench"


class BenchError(Exception):
    """Why there is nothing to measure."""


class Stage:
    """Containers with addresses known beforehand, reached from this machine without Docker's proxy between."""

    def __init__(self) -> None:
        self._docker = docker.from_env(timeout=1800)
        self._containers: list[Container] = []

    def __enter__(self) -> "Stage":
        self._network, self._prefix = self._free_network()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for container in reversed(self._containers):
            container.remove(force=True, v=True)
        self._network.remove()

    def _free_network(self) -> tuple[Any, str]:
        """An address can be chosen only in a subnet that was chosen: tries until one is free."""
        for number in random.sample(range(256), 20):
            prefix = f"10.213.{number}"
            ipam = IPAMConfig(pool_configs=[IPAMPool(subnet=f"{prefix}.0/24")])
            try:
                network = self._docker.networks.create(f"mlflow-bench-{number}", ipam=ipam, labels={LABEL: ""})
            except APIError as error:
                if "overlaps" not in str(error):
                    raise
            else:
                return network, prefix
        raise BenchError("There is no free subnet in 10.213.0.0/16 for the benchmark's network.")

    def need_space(self, gigabytes: float) -> None:
        """Raises BenchError where the disk that holds the containers has less."""
        folder = self._docker.info()["DockerRootDir"]
        free = shutil.disk_usage(folder).free / 1e9
        if free < gigabytes:
            raise BenchError(f"{folder} has {free:.0f} GB free, and the benchmark needs {gigabytes:.0f} GB.")

    def build(self, pin: Pin, tag: str, base: str) -> str:
        """Builds an image from its files as they are now; Docker's layers make that quick."""
        if not self._docker.images.list(base):
            raise BenchError(f'There is no image {base} yet: `eval "$(./platform env)"` makes it.')
        arguments = pin.arguments(base)  # as the platform builds it: the same layers
        self._docker.images.build(path=str(ROOT / pin.context), tag=tag, buildargs=arguments, rm=True, forcerm=True)
        return tag

    def add(self, image: str, tag: str, *packages: str) -> str:
        """An image with more Python packages."""
        steps = ["USER root", f"RUN pip install --no-cache-dir --quiet {' '.join(packages)}", "USER 10001"]
        dockerfile = "\n".join([f"FROM {image}", *steps])
        self._docker.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True, forcerm=True)
        return tag

    def address(self, number: int) -> str:
        return f"{self._prefix}.{number}"

    def start(
        self,
        name: str,
        number: int,
        image: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        entrypoint: str | None = None,
        aliases: Sequence[str] = (),
        hosts: Mapping[str, str] | None = None,
        volumes: Sequence[str] = (),
    ) -> Container:
        """A container with that address, and with these files in it before it starts.

        `aliases` are more names that others find it by, `hosts` (name to address) whom it finds beside them; `volumes`
        are folders that lie on the disk itself.
        """
        api, network = self._docker.api, str(self._network.name)
        endpoint = api.create_endpoint_config(ipv4_address=self.address(number), aliases=[name, *aliases])
        made = api.create_container(
            image,
            list(command),
            name=f"{network}-{name}",
            entrypoint=entrypoint,
            environment=dict(env or {}),
            labels={LABEL: ""},
            volumes=list(volumes),
            host_config=api.create_host_config(
                network_mode=network,
                extra_hosts=dict(hosts or {}),
                log_config={"type": "json-file", "config": {"max-size": "5m"}},
            ),
            networking_config=api.create_networking_config({network: endpoint}),
        )
        container = self._docker.containers.get(made["Id"])
        self._containers.append(container)
        container.put_archive("/", archive(files or {}))
        container.start()
        return container

    def cpu(self, container: Container) -> float:
        """Seconds of processor time that a container has used so far."""
        stats: Any = self._docker.api.stats(str(container.id), stream=False, one_shot=True)
        return stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9


def archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(text.encode()), 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def run(container: Container, script: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Runs one of our scripts in a container; its last line."""
    container.put_archive("/", archive({f"/bench/{script.name}": script.read_text()}))
    command = ["python", f"/bench/{script.name}", *arguments]
    code, output = container.exec_run(command, environment=dict(env or {}), demux=True)
    printed, complained = (part.decode() if part else "" for part in cast(tuple[bytes | None, bytes | None], output))
    if code:
        raise BenchError(f"{script.name} failed in {container.name}:\n{complained[-3000:]}")
    return printed.splitlines()[-1]


def wait_for(container: Container, ready: Callable[[], bool], seconds: float = 300) -> None:
    """Until it is ready; BenchError with the end of its log when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if ready():
                return
        except OSError:
            pass
        container.reload()
        if container.status == "exited":
            break
        time.sleep(0.3)
    raise BenchError(f"{container.name} did not come up:\n{container.logs(tail=40).decode(errors='replace')}")
