"""The stack's MinIO, and the one that a registry has, each behind the gateway's real configuration."""

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest

from components.images import PINS
from tests.conformance.containers import running
from tests.e2e.conftest import Platform
from tests.e2e.s3.signing import Door, Keys
from tests.e2e.s3.target import Canary, Target
from tests.unit.graph import DEV, declare


@pytest.fixture(scope="session", params=["the stack", pytest.param("images of a registry", marks=[pytest.mark.slow])])
def target(request: pytest.FixtureRequest) -> Iterator[Target]:
    if request.param == "the stack":
        yield _of_the_stack(request.getfixturevalue("platform"))
        return
    images = [_pulled(name) for name in ("minio", "nginx")]
    with _from_a_registry(*images) as target:
        yield target


@pytest.fixture(params=["server", "gateway"])
def door(request: pytest.FixtureRequest, target: Target) -> Door:
    return target.doors[request.param]


@pytest.fixture
def canary(target: Target) -> Iterator[Canary]:
    canary = Canary(target)
    assert canary.upload
    yield canary
    canary.clear()


def _of_the_stack(platform: Platform) -> Target:
    ports, outputs = platform.stack.ports, platform.outputs
    bucket, region = outputs["artifact_bucket"], outputs["s3_region"]
    file = platform.stack.run("mlflow", ["cat", "/run/secrets/mlflow.env"])
    given = dict(line.split("=", 1) for line in file.splitlines())
    labels = platform.stack.container("minio-1").attrs["Config"]["Labels"]
    return Target(
        doors={"server": Door(ports["admin_minio"], bucket, region), "gateway": Door(ports["s3"], bucket, region)},
        root=Keys(outputs["minio_root"]["user"], outputs["minio_root"]["password"]),
        service=Keys(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"]),
        ours=labels.get("org.opencontainers.image.title") == "mlflow-platform minio",
    )


def _pulled(name: str) -> str:
    image = PINS[name].upstream
    assert image
    done = subprocess.run(["docker", "pull", image], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"no registry has {image} for this machine: {done.stderr.strip().splitlines()[-1][:200]}")
    return image


@contextmanager
def _from_a_registry(minio: str, nginx: str) -> Iterator[Target]:
    root, file = Keys(f"R{secrets.token_hex(8)}", secrets.token_hex(16)), "/etc/root.env"
    written = f"MINIO_ROOT_USER={root.access}\nMINIO_ROOT_PASSWORD={root.secret}\n"
    variables = {"MINIO_CONFIG_ENV_FILE": file}
    with running(minio, ["server", "/data"], port=9000, environment=variables, files={file: written}) as server:
        address = next(
            container.attrs["NetworkSettings"]["IPAddress"]
            for container in docker.from_env().containers.list(filters={"label": "mlflow-platform.test=conformance"})
            if str(server) in str(container.attrs["NetworkSettings"]["Ports"])
        )
        file = "/etc/nginx/nginx.conf"
        text = declare(DEV).upload("gateway", file).replace("minio:9000", f"{address}:9000")
        command = ["nginx", "-g", "daemon off;"]
        with running(nginx, command, port=9000, environment={}, files={file: text}) as gateway:
            doors = {"server": Door(server, "artifacts"), "gateway": Door(gateway, "artifacts")}
            target = Target(doors, root, service=root, ours=False)
            bucket = target.doors["server"].bucket
            target.s3.create_bucket(Bucket=bucket)
            target.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
            yield target
