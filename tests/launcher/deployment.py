"""A small stack as Pulumi's state has it, and a Docker that shows what it is told that there is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.inventory import Thing
from launcher.state import FILES_LABEL, Made, State

PROJECT = "name: mlflow-platform\n"
LABELS = [{"label": "mlflow-platform.stack", "value": "dev"}, {"label": "mlflow-platform.prefix", "value": "p"}]


def urn(type: str, name: str) -> str:
    return f"urn:pulumi:dev::mlflow-platform::{type}::{name}"


def docker(kind: str, name: str, needs: list[str] | None = None, **inputs: Any) -> dict[str, Any]:
    type = f"docker:index/{kind}:{kind.capitalize()}"
    id = f"p-{name}" if kind == "volume" else f"id-of-{name}"
    return {
        "urn": urn(type, name),
        "type": type,
        "id": id,
        "inputs": {"name": f"p-{name}".replace("-network", ""), "labels": LABELS, **inputs},
        "dependencies": needs or [],
    }


def container(
    name: str,
    needs: list[str] | None = None,
    volumes: tuple[str, ...] = (),
    networks: tuple[str, ...] = ("p",),
    files: bool = False,
) -> dict[str, Any]:
    """With its files, if it has any: in the volumes of a container of their own, which needs what the files tell."""
    mounts = [{"volumeName": f"p-{volume}"} for volume in volumes]
    if files:
        mounts.append({"fromContainer": f"id-of-{name}-files:ro"})
        needs = [urn(CONTAINER, f"{name}-files"), *(need for need in needs or [] if VOLUME in need)]
    return docker("container", name, needs, volumes=mounts, networksAdvanced=[{"name": name} for name in networks])


def holder(name: str, needs: list[str] | None = None) -> dict[str, Any]:
    labels = [*LABELS, {"label": FILES_LABEL, "value": name}]
    return docker("container", f"{name}-files", needs, labels=labels, volumes=[{"containerPath": "/run/secrets"}])


def provider(server: str, *containers: str) -> dict[str, Any]:
    needs = [urn("docker:index/container:Container", name) for name in containers]
    type = f"pulumi:providers:{server}"
    return {"urn": urn(type, server), "type": type, "id": "1", "inputs": {}, "dependencies": needs}


def managed(server: str, name: str) -> dict[str, Any]:
    type = f"{server}:index/thing:Thing"
    by = f"{urn(f'pulumi:providers:{server}', server)}::1"
    return {"urn": urn(type, name), "type": type, "id": name, "inputs": {}, "dependencies": [], "provider": by}


def names(urns: set[str]) -> set[str]:
    return {found.rpartition("::")[2] for found in urns}


VOLUME, CONTAINER = "docker:index/volume:Volume", "docker:index/container:Container"


def deployed(drives: int = 1) -> State:
    """PostgreSQL with Keycloak on it, MinIO that waits for Keycloak, MLflow on PostgreSQL alone.

    PostgreSQL is on a network of its own, on which Keycloak and MLflow are as well.
    """
    data = [f"data{number}" for number in range(1, drives + 1)]
    on_postgres = urn("postgresql:index/thing:Thing", "database")
    return State(
        {
            "resources": [
                docker("network", "network"),
                docker("network", "network-database"),
                docker("volume", "postgres"),
                *(docker("volume", drive) for drive in data),
                container("postgres", [urn(VOLUME, "postgres")], ("postgres",), ("p-database",)),
                provider("postgresql", "postgres"),
                managed("postgresql", "database"),
                container("keycloak", [on_postgres], (), ("p", "p-database")),
                provider("keycloak", "keycloak"),
                managed("keycloak", "realm"),
                container("minio-1", [urn("keycloak:index/thing:Thing", "realm")], tuple(data)),
                provider("minio", "minio-1"),
                managed("minio", "bucket"),
                holder("mlflow", [on_postgres]),
                container("mlflow", [on_postgres], (), ("p-database", "p"), files=True),
                container("gateway"),
            ]
        }
    )


def everything(of: State, *without: str, stopped: tuple[str, ...] = ()) -> list[Thing]:
    def state(made: Made) -> str:
        return "exited" if made.resource in stopped else "running" if made.runs else "created"

    return [
        Thing(made.kind, made.id, made.name, "dev", "p", state(made), runs=made.runs)
        for made in of.made
        if f"{made.kind} {made.resource}" not in without
    ]


@dataclass
class FakeDocker:
    """A `docker` that notes its arguments, and shows what it is told that there is."""

    folder: Path
    shown: Callable[[list[Thing]], None]

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in lines if " ls " not in line and not line.startswith("ps ")]
