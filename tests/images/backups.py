"""The backup container with a real PostgreSQL and MinIO, set up and given rights as the program declares them."""

import copy
import functools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import docker
import psycopg
from docker.errors import NotFound
from docker.models.containers import Container
from minio import Minio

from offline.providers.base import StandIn
from offline.providers.minio import PROVIDER as MINIO
from offline.providers.postgresql import PROVIDER as POSTGRESQL
from tests.conformance.containers import archive
from tests.conformance.harness import Plugin
from tests.unit.graph import DEV, Graph, declare

BUCKET = "mlflow"
SETTINGS, SECRETS = "/etc/mlflow-platform/backup.json", "/run/secrets/backup.json"
KNOWN_HOSTS = "/etc/mlflow-platform/known_hosts"
KEY = "correct horse battery staple"
SUPERUSER, ROOT = "superusers-password", "roots-password"
DATA = "/var/lib/postgresql/data"
HEALTH = ["curl", "-fs", "http://127.0.0.1:9000/minio/health/cluster"]
VOLUME = {"kind": "volume", "name": "the backup volume"}
_COUNTED = {
    "mlflow": ("experiments", "runs", "metrics", "registered_models", "model_versions", "trace_info"),
    "keycloak": ("user_entity", "keycloak_group"),
}

Found = TypeVar("Found")


@functools.cache
def declared() -> Graph:
    return declare(DEV)


def until(found: Callable[[], Found], seconds: float = 60.0) -> Found:
    """What is found, once it is something."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"nothing within {seconds:.0f} s"
        time.sleep(0.2)
    return value


def until_answers(container: Container, check: Sequence[str]) -> None:
    def answers() -> bool:
        container.reload()
        assert container.status == "running", container.logs().decode()
        return container.exec_run(list(check)).exit_code == 0

    until(answers)


class Stage:
    """One network with the servers on it; whatever it began is gone when it is closed."""

    def __init__(self, images: Callable[[str], str], *postgres: str):
        self.client = docker.from_env(timeout=180)
        self.name = f"test-backup-{uuid.uuid4().hex[:6]}"
        self.image = functools.cache(lambda name: str(self.client.images.get(images(name)).id))  # which nobody retags
        self._containers: list[Container] = []
        self._volumes: list[Any] = []
        self._services: list[Service] = []
        self.network = self.client.networks.create(self.name)
        try:
            self.postgres_options = postgres
            self.postgres = self.server(self.volume())
            self.minio = self.object_store("minio")
            self.databases()
            self._bucket()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for container in reversed(self._containers):
            with suppress(NotFound):
                container.remove(force=True, v=True)
        for volume in self._volumes:
            volume.remove(force=True)
        self.network.remove()
        self.client.close()

    def volume(self, **options: str) -> str:
        volume = self.client.volumes.create(f"{self.name}-{len(self._volumes)}", driver_opts=options)
        self._volumes.append(volume)
        return str(volume.name)

    def run(self, alias: str, image: str, command: Sequence[str] | None = None, **options: Any) -> Container:
        """One of our images by its name, or another by its tag; found on the network as `alias`."""
        files, volumes = options.pop("files", {}), options.pop("volumes", {})
        container = self.client.containers.create(
            image if ":" in image else self.image(image),
            list(command) if command else None,
            name=f"{self.name}-{alias}-{len(self._containers)}",
            volumes={name: {"bind": path} for name, path in volumes.items()},
            **{"network": self.network.name, **self._found_as(alias), **options},
        )
        self._containers.append(container)
        if files:
            container.put_archive("/", archive(files))
        if options.get("detach", True):
            container.start()
        return container

    def _found_as(self, alias: str) -> dict[str, Any]:
        return {
            "networking_config": {str(self.network.name): self.client.api.create_endpoint_config(aliases=[alias])},
            "labels": {"mlflow-platform.test": "backup"},
        }

    def server(self, volume: str, alias: str = "postgres", **options: Any) -> Container:
        """PostgreSQL with the command and the files that the program gives it."""
        given = declared().container("postgres-files").inputs["uploads"]
        files = {file["file"]: file["content"] for file in given if file["file"].endswith(".conf")}
        command = declared().container("postgres").inputs["command"]
        server = self.run(
            alias,
            "postgres",
            [*command, *self.postgres_options],
            files={**files, "/run/superuser": SUPERUSER},
            volumes={volume: DATA},
            ports={"5432/tcp": ("127.0.0.1", None)},
            **{"environment": {"POSTGRES_PASSWORD_FILE": "/run/superuser"}, **options},
        )
        until_answers(server, ["pg_isready", "-q", "-h", "127.0.0.1"])
        return server

    def object_store(self, alias: str) -> Container:
        environment = {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": ROOT, "MINIO_PROMETHEUS_AUTH_TYPE": "public"}
        options: dict[str, Any] = {"ports": {"9000/tcp": ("127.0.0.1", None)}, "environment": environment}
        store = self.run(alias, "minio", ["server", "/data"], volumes={self.volume(): "/data"}, **options)
        until_answers(store, HEALTH)
        return store

    def databases(self) -> None:
        """Databases, roles and rights as declared, but on Keycloak's tables; and the tables that a backup counts in."""
        options = {"host": "127.0.0.1", "port": int(port_of(self.postgres, 5432)), "sslmode": "disable"}
        self._make(POSTGRESQL, {**options, "username": "postgres", "password": SUPERUSER})
        for database, tables in _COUNTED.items():
            for table in tables:
                self.sql(f"CREATE TABLE {table} (n bigint)", database)
        self.sql("CREATE TABLE happened (what text)", "mlflow")

    def _bucket(self) -> None:
        options = {"minioServer": f"127.0.0.1:{port_of(self.minio, 9000)}", "minioSsl": False}
        self._make(MINIO, {**options, "minioUser": "root", "minioPassword": ROOT})

    def _make(self, provider: StandIn, options: dict[str, Any]) -> None:
        plugin = Plugin(copy.copy(provider), options)
        for resource in declared().resources:
            if resource.token.startswith(f"{provider.package}:") and resource.inputs.get("objectType") != "table":
                plugin.create(resource.token, resource.inputs)

    def sql(self, statement: str, database: str = "mlflow", server: Container | None = None) -> list[Any]:
        with connected(server or self.postgres, database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def happens(self, what: str) -> float:
        """One committed transaction; a time after it and before any later one."""
        self.sql(f"INSERT INTO happened VALUES ('{what}')")
        time.sleep(0.05)
        (row,) = self.sql("SELECT extract(epoch FROM clock_timestamp())::float8")
        time.sleep(0.05)
        return float(row[0])

    def bucket(self, store: Container | None = None) -> Minio:
        return Minio(f"127.0.0.1:{port_of(store or self.minio, 9000)}", "root", ROOT, secure=False)

    def service(self, place: Mapping[str, Any] = VOLUME, **options: Any) -> "Service":
        self.alone(None)
        self._services.append(Service(self, place, **options))
        return self._services[-1]

    def alone(self, service: "Service | None") -> None:
        """Only this one runs, since a server has but one backup; it finds out by itself what it missed."""
        for other in self._services:
            with suppress(NotFound):
                if other is not service:
                    other.container.stop(timeout=2)
        if service:
            service.container.start()  # which does nothing where it runs
            until(lambda: service.status().get("last") and not service.failing(), 180)


def port_of(container: Container, port: int) -> str:
    container.reload()
    return container.attrs["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"]


@contextmanager
def connected(server: Container, database: str) -> Iterator[psycopg.Connection]:
    at = f"host=127.0.0.1 port={port_of(server, 5432)} dbname={database} user=postgres"
    with psycopg.connect(at, password=SUPERUSER, autocommit=True) as connection:
        yield connection


class Service:
    """The backup container as the program runs it, but for its names and how often it does things."""

    def __init__(
        self,
        stage: Stage,
        place: Mapping[str, Any],
        *,
        volume: str | None = None,
        spool: str | None = None,
        key: str = KEY,
        secrets: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        database_seconds: int = 1,
        artifacts_every: int = 3600,
        log_limit: int = 4 << 30,
    ):
        graph = declared()
        self.stage, self.key = stage, key
        self.settings = json.loads(graph.upload("backup", SETTINGS))
        often = {"artifacts_every": artifacts_every, "database_seconds": database_seconds}
        often |= {"log_limit": log_limit}
        self.settings |= {"place": dict(place), **often}
        self.settings["s3"]["endpoint"] = "http://minio:9000"
        self.secrets = {**json.loads(graph.upload("backup", SECRETS)), "key": key, "place": dict(secrets or {})}
        self.files = {SETTINGS: json.dumps(self.settings), SECRETS: json.dumps(self.secrets), **(files or {})}
        self.volume, self.spool = volume or stage.volume(), spool or stage.volume()
        self.container = self._started()

    def _started(self) -> Container:
        declared_as = declared().container("backup").inputs
        folders = sorted({str(Path(file).parent) for file in self.files})
        holder = self.stage.run(
            "files", "backup", ["list"], files=self.files, volumes={self.stage.volume(): path for path in folders},
            detach=False,
        )  # fmt: skip
        return self.stage.run(
            "backup",
            "backup",
            volumes={self.spool: "/var/lib/backup", self.volume: "/place"},
            volumes_from=[f"{holder.id}:ro"],
            user=declared_as["user"],
            read_only=declared_as["readOnly"],
            tmpfs=declared_as["tmpfs"],
            cap_drop=declared_as["capabilities"]["drops"],
            security_opt=declared_as["securityOpts"],
            mem_limit=f"{int(declared_as['memory'])}m",
            restart_policy={"Name": "always"},
        )

    def ask(self, *arguments: str) -> str:
        """What the program prints; AssertionError with it where it fails."""
        code, said = self.asked(*arguments)
        assert code == 0, said
        return said

    def refused(self, *arguments: str) -> str:
        code, said = self.asked(*arguments)
        assert code == 1, said
        return said.strip().splitlines()[-1].removeprefix("error: ")

    def asked(self, *arguments: str) -> tuple[int, str]:
        until(lambda: self.shell("test", "-S", "/run/backup/control.sock")[0] == 0)
        return self.shell("python", "-m", "platform_backup", *arguments)

    def asking(self, *arguments: str) -> threading.Thread:
        """The same in the background, whatever becomes of it."""
        (thread := threading.Thread(target=self.asked, args=arguments, daemon=True)).start()
        return thread

    def shell(self, *command: str) -> tuple[int, str]:
        finished: Any = self.container.exec_run(list(command))
        return finished.exit_code, finished.output.decode()

    def status(self) -> dict[str, Any]:
        return json.loads(self.ask("status"))

    def failing(self) -> dict[str, str]:
        """Why, by what does not work."""
        return {work: failure["why"] for work, failure in self.status()["failing"].items()}

    def listed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ask("list").splitlines()]

    def shipped(self, since: float) -> bool:
        """Whether all of the log that was there then is at the place."""
        return (self.status().get("shipped_until") or 0) > since

    def running(self) -> bool:
        self.container.reload()
        return self.container.status == "running"
