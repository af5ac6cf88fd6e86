"""What goes with a volume: read from who depends on whom in Pulumi's state."""

from collections.abc import Collection
from typing import Any

from launcher.state import State

_PROVIDER = "pulumi:providers:"
_SERVERS = ("postgresql", "keycloak", "minio")


def lived_on(state: State, volumes: Collection[str]) -> set[str]:
    """URNs of all that was on these volumes alone, with the volumes themselves.

    A server that has other volumes left is not empty.

    A container without volumes (Keycloak, MLflow) has its data where it depends on; what a provider manages is in the
    containers that the provider waits for.
    """
    mounts = {made.name: made.urn for made in state.made if made.kind == "volume"}
    containers = {made.urn for made in state.made if made.kind == "container"}
    mounted = {
        resource["urn"]: {
            mounts[volume["volumeName"]] for volume in _volumes(resource) if volume["volumeName"] in mounts
        }
        for resource in state.resources
        if resource["urn"] in containers
    }
    clusters = [
        members
        for resource in state.resources
        if resource["type"].startswith(_PROVIDER) and (members := containers & set(resource.get("dependencies") or []))
    ]
    lost: set[str] = set()
    empty: set[str] = set()  # providers, by URN and id, whose servers lost all
    for resource in state.resources:
        urn, needs = resource["urn"], set(resource.get("dependencies") or [])
        if own := mounted.get(urn):
            cluster = next((members for members in clusters if urn in members), {urn})
            gone = set().union(own, *(mounted[member] for member in cluster)) <= set(volumes)
        elif urn in mounted:
            gone = bool(needs & lost)
        elif resource["type"].startswith(_PROVIDER):
            gone = False
            if needs & lost & containers:
                empty.add(f"{urn}::{resource['id']}")
        else:
            gone = resource.get("provider") in empty
        if gone:
            lost |= {urn, *(mounted.get(urn) or ())}
    return lost


def _volumes(resource: dict[str, Any]) -> list[dict[str, Any]]:
    return [volume for volume in resource["inputs"].get("volumes") or [] if "volumeName" in volume]


def kept_by(urn: str) -> str | None:
    """The kind of server that a resource was kept by: postgresql, keycloak, minio."""
    package = urn.split("::")[2].rpartition("$")[2].partition(":")[0]
    return package if package in _SERVERS else None
