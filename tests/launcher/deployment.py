"""A small stack as Pulumi's state has it, and a Docker that shows what it is told that there is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.inventory import Thing
from launcher.state import State

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
        "inputs": {"name": "p" if kind == "network" else f"p-{name}", "labels": LABELS, **inputs},
        "dependencies": needs or [],
    }


def container(name: str, needs: list[str] | None = None, volumes: tuple[str, ...] = ()) -> dict[str, Any]:
    mounts = [{"volumeName": f"p-{volume}"} for volume in volumes]
    return docker("container", name, needs, volumes=mounts, networksAdvanced=[{"name": "p"}])


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
    """PostgreSQL with Keycloak on it, MinIO that waits for Keycloak, MLflow on PostgreSQL alone."""
    data = [f"data{number}" for number in range(1, drives + 1)]
    return State(
        {
            "resources": [
                docker("network", "network"),
                docker("volume", "postgres"),
                *(docker("volume", drive) for drive in data),
                container("postgres", [urn(VOLUME, "postgres")], ("postgres",)),
                provider("postgresql", "postgres"),
                managed("postgresql", "database"),
                container("keycloak", [urn("postgresql:index/thing:Thing", "database")]),
                provider("keycloak", "keycloak"),
                managed("keycloak", "realm"),
                container("minio-1", [urn("keycloak:index/thing:Thing", "realm")], tuple(data)),
                provider("minio", "minio-1"),
                managed("minio", "bucket"),
                container("mlflow", [urn("postgresql:index/thing:Thing", "database")]),
                container("gateway"),
            ]
        }
    )


def everything(of: State, *without: str, stopped: tuple[str, ...] = ()) -> list[Thing]:
    return [
        Thing(made.kind, made.id, made.name, "dev", "p", "exited" if made.resource in stopped else "running")
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
