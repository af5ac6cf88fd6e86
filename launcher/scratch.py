"""Containers for a while, beside a stack: the services that the next update would make, on other data."""

import io
import json
import subprocess
import tarfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from launcher import inventory
from launcher.console import Failure, duration
from launcher.processes import answer
from launcher.state import PREFIX_LABEL, STACK_LABEL

_CONTAINER = "docker:index/container:Container"
_NAME = "upgrade"  # of all that is here, after the stack's prefix
Plan = Mapping[str, Mapping[str, Any]]  # the inputs of each resource, by its URN
_ELSEWHERE = {"volumeName", "fromContainer"}  # of a mount that is not the container's own
_REMOVE = {"container": ["rm", "--force", "--volumes"], "network": ["network", "rm"], "volume": ["volume", "rm"]}


@dataclass(frozen=True)
class Service:
    """A container as a plan has it, with its files."""

    name: str
    inputs: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def volumes(self) -> dict[str, str]:
        """Those with a name, by the path that they are at."""
        mounts = self.inputs.get("volumes") or []
        return {mount["containerPath"]: mount["volumeName"] for mount in mounts if mount.get("volumeName")}


def planned(plan: Plan, name: str) -> Service:
    """What a plan has of a service."""
    inputs = {urn.rpartition("::")[2]: given for urn, given in plan.items() if f"{_CONTAINER}::" in urn}
    files = inputs.get(f"{name}-files", {}).get("uploads") or []
    return Service(name, inputs[name], {file["file"]: file["content"] for file in files})


class Scratch:
    """Makes them under the stack's labels, so that what a kill leaves behind is found again."""

    def __init__(self, stack: str, prefix: str) -> None:
        self._labels = ["--label", f"{STACK_LABEL}={stack}", "--label", f"{PREFIX_LABEL}={prefix}"]
        self._prefix, self._name = prefix, f"{prefix}-{_NAME}"

    def network(self) -> str:
        """One that leads nowhere."""
        inventory.do("make a network", ["network", "create", "--internal", *self._labels, self._name])
        return self._name

    def volume(self, name: str | None = None) -> str:
        """With this name, else one that goes with all the rest."""
        name = name or f"{self._name}-data"
        inventory.do(f"make volume {name}", ["volume", "create", *self._labels, name])
        return name

    def start(
        self,
        service: Service,
        *,
        network: str = "none",
        volumes: Mapping[str, str] | None = None,
        envs: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> "Temporary":
        """On these volumes (names by path) and no other; in all else as limited as the real one will be."""
        name, given = f"{self._name}-{service.name}", service.inputs
        rights, tmpfs = given.get("capabilities") or {}, given.get("tmpfs") or {}
        folders = [mount["containerPath"] for mount in given.get("volumes") or [] if not mount.keys() & _ELSEWHERE]
        options = ["--name", name, *self._labels, "--network", network]
        options += [] if network == "none" else ["--network-alias", service.name]
        options += [f"--memory={given['memory']}m", f"--memory-swap={given['memory']}m"]
        options += ["--read-only"] if given.get("readOnly") else []
        options += [f"--cap-drop={right}" for right in rights.get("drops") or []]
        options += [f"--cap-add={right}" for right in rights.get("adds") or []]
        options += [f"--security-opt={option}" for option in given.get("securityOpts") or []]
        options += [f"--user={given['user']}"] if given.get("user") else []
        options += [f"--env={env}" for env in [*(given.get("envs") or []), *envs]]
        options += [f"--tmpfs={path}:{how}" for path, how in tmpfs.items()]
        options += [f"--volume={path}" for path in folders]
        options += [f"--volume={volume}:{path}" for path, volume in (volumes or {}).items()]
        options += [f"--volumes-from={self._holder(service)}:ro"]
        command = [given["image"], *(given.get("command") or []), *arguments]
        inventory.do(f"make container {name}", ["create", *options, *command])
        inventory.do(f"start container {name}", ["start", name])
        return Temporary(name, given["healthcheck"]["tests"][1:], given.get("waitTimeout") or 60)

    def _holder(self, service: Service) -> str:
        """What has the service's files, as in the program: in volumes without a name, and never running."""
        name = f"{self._name}-{service.name}-files"
        folders = sorted({str(PurePosixPath(file).parent) for file in service.files})
        mounts = [f"--volume={folder}" for folder in folders]
        inventory.do(f"make {name}", ["create", "--name", name, *self._labels, *mounts, service.inputs["image"]])
        command = ["docker", "cp", "-", f"{name}:/"]
        put = subprocess.run(command, input=_archive(service.files), capture_output=True, check=False)
        if put.returncode:
            raise Failure(f"cannot bring {service.name}'s files into {name}: {put.stderr.decode().strip()}")
        return name

    def move(self, service: Service, volume: str, script: str) -> None:
        """Runs a script of the shell in a service's image, on a volume at /data."""
        command = ["run", "--rm", "--network", "none", *self._labels, "--name", f"{self._name}-move", "--user", "0"]
        command += ["--volume", f"{volume}:/data", "--entrypoint", "sh", service.inputs["image"], "-ec", script]
        inventory.do(f"put volume {volume} in order", command)

    def clear(self) -> None:
        """Removes all of it, that of an earlier run too, but for volumes that were given a name."""
        for kind, options in _REMOVE.items():
            for thing in inventory.things():
                ours = thing.prefix == self._prefix and f"{thing.name}-".startswith(f"{self._name}-")
                if ours and thing.kind == kind:
                    inventory.do(f"remove {kind} {thing.name}", [*options, thing.name])


@dataclass(frozen=True)
class Temporary:
    """A container that runs."""

    name: str
    _healthy: Sequence[str]
    _within: float

    def until_healthy(self) -> str | None:
        """By its service's own check; what is wrong when it ends before, or takes too long."""
        deadline = time.monotonic() + self._within
        while answer(["docker", "exec", self.name, *self._healthy]) is None:
            if answer(["docker", "inspect", "--format", "{{.State.Running}}", self.name]) != "true":
                return "it ended"
            if time.monotonic() > deadline:
                return f"it is not healthy after {duration(self._within)}"
            time.sleep(1)
        return None

    def stop(self) -> None:
        """In its own time: what it wrote is on the disk then."""
        inventory.do(f"stop container {self.name}", ["stop", "--time", "120", self.name])
        state = json.loads(answer(["docker", "inspect", "--format", "{{json .State}}", self.name]) or "{}")
        if state.get("ExitCode") != 0:
            raise Failure(f"container {self.name} did not end in order (exit code {state.get('ExitCode')})")

    def log(self, to: Path) -> str:
        """Keeps what it has printed, for its owner's eyes, and gives it."""
        said = subprocess.run(
            ["docker", "logs", self.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        ).stdout
        to.parent.mkdir(parents=True, exist_ok=True)
        to.touch(mode=0o600)
        to.write_text(said)
        return said


def _archive(files: Mapping[str, str]) -> bytes:
    """As the provider uploads them; only root enters a container that is not its own."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(text.encode()), 0o444
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
