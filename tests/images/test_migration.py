"""MLflow's schema on a real PostgreSQL: made once, however many servers start on it at the same time."""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator

import docker
import psycopg
import pytest

PASSWORD = "a-host-name"  # which is in a file of every container
MIGRATE = "import sys; from mlflow_platform.server.__main__ import migrate; migrate(*sys.argv[1:])"


@pytest.fixture
def port(local_image: Callable[[str], str]) -> Iterator[int]:
    container = docker.from_env().containers.run(
        local_image("postgres"),
        name=f"test-migration-{uuid.uuid4().hex[:8]}",
        hostname=PASSWORD,
        environment={"POSTGRES_PASSWORD_FILE": "/etc/hostname"},
        ports={"5432/tcp": ("127.0.0.1", 0)},
        detach=True,
    )
    try:
        deadline = time.monotonic() + 60
        while container.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code:
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.2)
        container.reload()
        yield int(container.attrs["NetworkSettings"]["Ports"]["5432/tcp"][0]["HostPort"])
    finally:
        container.remove(force=True, v=True)


def test_of_servers_that_start_at_the_same_time_one_migrates_and_the_others_wait(port: int):
    address = f"postgres:{PASSWORD}@127.0.0.1:{port}"
    with psycopg.connect(f"postgresql://{address}/postgres", autocommit=True) as connection:
        connection.execute("create database mlflow")
        connection.execute("create database mlflow_auth")
    uris = [f"postgresql+psycopg://{address}/{database}" for database in ("mlflow", "mlflow_auth")]
    servers = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, *uris], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    said = [server.communicate(timeout=300)[0].decode() for server in servers]
    assert [server.returncode for server in servers] == [0, 0, 0], said
