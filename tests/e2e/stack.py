"""The platform as a stack of its own: the real program under the real CLI, with state and settings in a folder."""

import json
import secrets
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.models.containers import Container
from pulumi import automation
from pulumi.automation.events import EngineEvent

from launcher.state import FILES_LABEL, State
from tests.e2e.checkouts import ROOT, checkout, killed, launched

PROJECT = "mlflow-platform"
_PORTS = ("mlflow", "keycloak", "s3", "console", "admin_postgres", "admin_keycloak", "admin_minio")


class UpdateFailed(Exception):
    """What the engine says about it, in which secrets are masked already."""


@dataclass(frozen=True)
class Change:
    """A step of the engine's on one resource; `properties` are the inputs that make it necessary."""

    kind: str  # create, update, replace or delete
    resource: str  # the type's last part, and the name
    properties: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.kind, self.resource, *self.properties])


class Stack:
    """One stack with the dev stack's teams, on ports of its own; every verb is a run of the CLI."""

    def __init__(
        self, directory: Path, settings: Mapping[str, Any] | None = None, ports: Mapping[str, int] | None = None
    ):
        self.name = f"e2e-{secrets.token_hex(3)}"
        self.passphrase = secrets.token_hex(16)
        self.ports: dict[str, int] = dict(ports or zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.backend = directory / "backend"
        self.backend.mkdir(parents=True)
        # The engine writes to the stack's settings, so they lie beside a program of links and not in the checkout.
        program = checkout(self.program)
        dev = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
        self._file = program / f"Pulumi.{self.name}.yaml"
        self._file.write_text(yaml.safe_dump({"config": dev}))
        self.set({"ports": self.ports, **(settings or {})})
        self._stack = automation.create_stack(
            stack_name=self.name,
            work_dir=str(program),
            opts=automation.LocalWorkspaceOptions(
                env_vars={
                    "PULUMI_BACKEND_URL": f"file://{self.backend}",
                    "PULUMI_CONFIG_PASSPHRASE": self.passphrase,
                    "PULUMI_SKIP_UPDATE_CHECK": "true",
                    "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
                }
            ),
        )

    def set(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Writes settings into the stack's file, None for none; all of its settings as they were before."""
        said = yaml.safe_load(self._file.read_text())
        before = {key.removeprefix(f"{PROJECT}:"): value for key, value in said["config"].items()}
        after = {**before, **settings}
        said["config"] = {f"{PROJECT}:{key}": value for key, value in after.items() if value is not None}
        self._file.write_text(yaml.safe_dump(said))
        return before

    @property
    def program(self) -> Path:
        return self.backend.parent / "program"

    @property
    def _own(self) -> dict[str, str]:
        return {"PULUMI_BACKEND_URL": f"file://{self.backend}", "PULUMI_CONFIG_PASSPHRASE": self.passphrase}

    def platform(self, command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `./platform` on this stack, in a checkout of its own with this stack's state and settings."""
        return launched(self.program, command, "--stack", self.name, *arguments, **{**self._own, **variables})

    def killed_at(self, words: str, command: str, *arguments: str) -> None:
        """The same, killed with all its children when it prints a line with these words."""
        killed(self.program, words, command, "--stack", self.name, *arguments, **self._own)

    def up(self) -> Counter[str]:
        """Counts what was done, by kind: create, same, update, replace, delete."""
        errors = _Errors()
        try:
            done = self._stack.up(color="never", show_secrets=False, on_event=errors)
        except automation.CommandError:
            raise UpdateFailed(str(errors)) from None  # the command's own output is long, and repeats this
        return _counted(done.summary.resource_changes)

    def replace(self, *names: str, type: str) -> None:
        """Brings the stack up with new ones in the place of these resources."""
        resources = (self._stack.export_stack().deployment or {})["resources"]
        urns = [it["urn"] for it in resources if it["type"] == type and it["urn"].split("::")[-1] in names]
        assert len(urns) == len(names)
        errors = _Errors()
        try:
            self._stack.up(color="never", show_secrets=False, on_event=errors, replace=urns)
        except automation.CommandError:
            raise UpdateFailed(str(errors)) from None

    def preview(self) -> Counter[str]:
        errors = _Errors()
        try:
            return _counted(self._stack.preview(color="never", on_event=errors).change_summary)
        except automation.CommandError:
            raise UpdateFailed(str(errors)) from None

    def planned(self) -> list[Change]:
        """What an `up` would change, one by one."""
        steps = _Steps()
        try:
            self._stack.preview(color="never", on_event=steps)
        except automation.CommandError:
            raise UpdateFailed(str(steps)) from None
        return steps.changes

    def edit_state(self, edit: Callable[[State], State]) -> None:
        """Leaves another state behind, as an earlier version of the program could have."""
        exported = self._stack.export_stack()
        exported.deployment = edit(State(exported.deployment or {})).deployment
        self._stack.import_stack(exported)

    def refresh(self) -> Counter[str]:
        return _counted(self._stack.refresh(color="never", show_secrets=False).summary.resource_changes)

    def destroy(self) -> None:
        errors = _Errors()
        try:
            self._stack.destroy(color="never", show_secrets=False, on_event=errors)
        except automation.CommandError:
            raise UpdateFailed(str(errors)) from None

    def outputs(self) -> dict[str, Any]:
        return {name: output.value for name, output in self._stack.outputs().items()}

    def passwords(self) -> dict[str, str]:
        """Everything that the stack made up as a secret, by the resource that holds it."""
        deployment = self._stack.export_stack().deployment or {}
        found: dict[str, str] = {}
        for resource in deployment["resources"]:
            outputs = resource.get("outputs", {})
            for value in (outputs.get("result"), outputs.get("clientSecret")):
                if isinstance(value, dict) and (password := json.loads(value["plaintext"])):
                    found[resource["urn"].split("::")[-1]] = password
        return found

    def state_files(self) -> list[Path]:
        """The state as it lies on the disk, with its history and backups."""
        return [file for file in self.backend.rglob("*") if file.is_file()]

    def containers(self) -> list[Container]:
        """Those that run, or did before they stopped, in the order of their names."""
        return [container for container in self.all_containers() if FILES_LABEL not in container.labels]

    def all_containers(self) -> list[Container]:
        """Also those that never run, and hold the others' files."""
        listed = docker.from_env().containers.list(all=True, filters={"label": f"mlflow-platform.stack={self.name}"})
        return sorted(listed, key=lambda container: str(container.name))

    def volumes(self) -> frozenset[str]:
        """All that containers have mounted, those without a name of their own, too."""
        mounts = [mount for container in self.all_containers() for mount in container.attrs["Mounts"]]
        return frozenset(mount["Name"] for mount in mounts if mount["Type"] == "volume")

    def container(self, service: str) -> Container:
        return docker.from_env().containers.get(f"mlflow-{self.name}-{service}")

    def run(self, service: str, command: list[str]) -> str:
        """Runs a command in a service's container; what it prints."""
        done = subprocess.run(
            ["docker", "exec", str(self.container(service).name), *command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def clear(self) -> list[str]:
        """Removes what destroy left behind, and says what that was."""
        host = docker.from_env()
        label = {"label": f"mlflow-platform.stack={self.name}"}
        left = [f"container {container.name}" for container in self.all_containers()]
        for container in self.all_containers():
            container.remove(force=True, v=True)
        for kind, listed in (
            ("network", host.networks.list(filters=label)),
            ("volume", host.volumes.list(filters=label)),
        ):
            for thing in listed:
                left.append(f"{kind} {thing.name}")
                thing.remove()
        return left


class _Errors:
    """Collects the engine's own diagnostics of severity error."""

    def __init__(self) -> None:
        self._messages: list[str] = []

    def __call__(self, event: EngineEvent) -> None:
        found = event.diagnostic_event
        if found and found.severity == "error":
            self._messages.append(f"{found.urn or 'pulumi'}: {found.message.strip()}")

    def __str__(self) -> str:
        return "\n".join(self._messages) or "the engine names no error"


class _Steps(_Errors):
    """Collects the steps, too; a replacement's own two (create and delete) are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []

    def __call__(self, event: EngineEvent) -> None:
        super().__call__(event)
        if found := event.resource_pre_event:
            step = found.metadata
            kind = str(getattr(step.op, "value", step.op))
            if kind in ("create", "update", "replace", "delete"):
                properties = tuple(sorted(step.detailed_diff or step.diffs or []))
                resource = f"{step.type.rpartition(':')[2]} {step.urn.rpartition('::')[2]}"
                self.changes.append(Change(kind, resource, properties))


def free_ports(count: int) -> list[int]:
    """Below the range from which the kernel takes ports of clients, who could take one while a container restarts."""
    ports: list[int] = []
    while len(ports) < count:
        port = 20000 + secrets.randbelow(12000)
        with socket.socket() as probe:
            if port not in ports and probe.connect_ex(("127.0.0.1", port)):
                ports.append(port)
    return ports


def _counted(changes: Mapping[Any, int] | None) -> Counter[str]:
    return Counter({str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items() if count})
