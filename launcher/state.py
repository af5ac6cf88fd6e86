"""What Pulumi's state says was made: read, and edited where Docker has something no more."""

import gzip
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

Kind = Literal["container", "network", "volume"]
STACK_LABEL = "mlflow-platform.stack"
PREFIX_LABEL = "mlflow-platform.prefix"
FILES_LABEL = "mlflow-platform.files"  # of a container that holds a service's files, and never runs
_KINDS: dict[str, Kind] = {
    "docker:index/container:Container": "container",
    "docker:index/network:Network": "network",
    "docker:index/volume:Volume": "volume",
}
_SIGNATURE = "4dabf18193072939515e22adb298388d"  # what Pulumi marks a secret by
_REFERENCES = ("dependencies", "propertyDependencies", "deletedWith", "replaceWith")


@dataclass(frozen=True)
class Made:
    """A part of the stack that Docker should have; `id` is Docker's own, a volume's its name."""

    kind: Kind
    id: str
    name: str
    resource: str
    """Its name in the program."""
    urn: str
    kept: bool
    """Whether it outlives the stack."""
    runs: bool = True
    """Whether it is there to run, and not to hold a service's files."""

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class State:
    """A deployment as `pulumi stack export` has it."""

    deployment: Mapping[str, Any]

    @property
    def resources(self) -> list[dict[str, Any]]:
        return self.deployment.get("resources") or []

    @cached_property
    def made(self) -> list[Made]:
        """In the order of creation: what something depends on comes before it."""
        return [made for resource in self.resources if (made := _made(resource))]

    def container(self, resource: str) -> Made | None:
        """The one that the program calls so."""
        return next((made for made in self.made if made.kind == "container" and made.resource == resource), None)

    @property
    def runs(self) -> bool:
        """Whether it has containers, and so more than the data that `destroy` left."""
        return any(made.kind == "container" for made in self.made)

    @property
    def begun(self) -> set[tuple[str, str]]:
        """Kind and name of what was being made when Pulumi was killed; Docker may have it."""
        pending = self.deployment.get("pending_operations") or []
        resources = [operation["resource"] for operation in pending if operation["type"] == "creating"]
        return {(_KINDS[r["type"]], r["inputs"].get("name", "")) for r in resources if r["type"] in _KINDS}

    @property
    def prefix(self) -> str | None:
        """Of the names of what was made."""
        return next(prefixes(resource.get("inputs") or {} for resource in self.resources), None)

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's; secrets are readable where the state was exported with them."""
        stack = next((resource for resource in self.resources if resource["type"] == "pulumi:pulumi:Stack"), {})
        return plain(stack.get("outputs") or {})

    def without(self, urns: Collection[str]) -> "State":
        """As if these had never been made; nothing else names them any more, so that Pulumi takes it as whole."""
        rest = [_unlinked(resource, urns) for resource in self.resources if resource["urn"] not in urns]
        return State({**self.deployment, "resources": rest})


def prefixes(inputs: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """The prefix labels among resources' inputs."""
    for found in inputs:
        labels = found.get("labels")
        for label in labels if isinstance(labels, list) else []:
            if label.get("label") == PREFIX_LABEL and isinstance(label.get("value"), str):
                yield label["value"]


def folder(own: Path) -> Path | None:
    """Where the states are, if that is on this machine: this checkout's own folder, or the user's."""
    url = os.environ.get("PULUMI_BACKEND_URL") or f"file://{own / 'state'}"
    return Path(url.removeprefix("file://")).expanduser() if url.startswith("file://") else None


def on_disk(root: Path, own: Path, stack: str) -> State | None:
    """The state straight from its file, in milliseconds; None where there is none.

    Raises LookupError where the state is not a file of this machine's; then only pulumi can read it.
    """
    if not (states := folder(own)):
        raise LookupError("the state is not on this machine")
    project = re.search(r"^name:\s*(\S+)", (root / "Pulumi.yaml").read_text(), re.MULTILINE)
    here = states / ".pulumi" / "stacks" / (project[1] if project else "")
    for file, read in ((here / f"{stack}.json", Path.read_bytes), (here / f"{stack}.json.gz", _unzipped)):
        if file.exists():
            return State(json.loads(read(file))["checkpoint"].get("latest") or {})
    return None


def _unzipped(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


def _made(resource: Mapping[str, Any]) -> Made | None:
    kind, id = _KINDS.get(resource["type"]), resource.get("id")
    if not kind or not id:
        return None
    inputs = resource.get("inputs") or {}
    name = (resource.get("outputs") or {}).get("name") or inputs.get("name", id)
    urn = resource["urn"]
    runs = all(label.get("label") != FILES_LABEL for label in inputs.get("labels") or [])
    return Made(kind, id, name, urn.rpartition("::")[2], urn, bool(resource.get("retainOnDelete")), runs)


def _unlinked(resource: dict[str, Any], urns: Collection[str]) -> dict[str, Any]:
    rest = dict(resource)
    for field in _REFERENCES:
        linked = rest.get(field)
        if isinstance(linked, list):
            rest[field] = [urn for urn in linked if urn not in urns]
        elif isinstance(linked, dict):
            rest[field] = {name: [urn for urn in found or [] if urn not in urns] for name, found in linked.items()}
        elif linked in urns:
            del rest[field]
    return rest


def plain(value: Any) -> Any:
    """Secrets as what they hide, where the state shows that."""
    if isinstance(value, dict):
        if _SIGNATURE in value:
            return json.loads(value["plaintext"]) if "plaintext" in value else None
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
