"""What Docker has of all stacks of this program, by their labels; found in some 50 ms."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from launcher.console import Failure
from launcher.explain import cause
from launcher.processes import answer
from launcher.state import FILES_LABEL, PREFIX_LABEL, STACK_LABEL, Kind

_HEALTH = {"healthy)": "healthy", "unhealthy)": "unhealthy", "health: starting)": "starting"}
_LISTS: dict[Kind, list[str]] = {
    "container": ["ps", "--all", "--no-trunc"],
    "network": ["network", "ls", "--no-trunc"],
    "volume": ["volume", "ls"],
}


@dataclass(frozen=True)
class Thing:
    """A container, network or volume that is there; `state` and what follows are a container's."""

    kind: Kind
    id: str
    name: str
    stack: str
    prefix: str
    state: str = "running"
    health: str = "-"
    since: str = ""
    runs: bool = True
    """Whether it is there to run, and not to hold files."""

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.id

    @property
    def well(self) -> bool:
        return not self.runs or (self.state == "running" and self.health in ("healthy", "-"))


def things() -> list[Thing]:
    """Everything that carries the program's labels, stopped containers too, by kind and name."""
    with ThreadPoolExecutor(len(_LISTS)) as pool:
        found = [thing for listed in pool.map(_listed, _LISTS) for thing in listed]
    return sorted(found, key=lambda thing: (thing.kind, thing.name))


def _listed(kind: Kind) -> list[Thing]:
    return list(_things(kind))


def _things(kind: Kind) -> Iterator[Thing]:
    listed = answer(["docker", *_LISTS[kind], "--filter", f"label={PREFIX_LABEL}", "--format", "{{json .}}"])
    if listed is None:
        raise Failure("No Docker daemon answers; ./platform up starts one.")
    for line in listed.splitlines():
        found = json.loads(line)
        labels = dict(label.partition("=")[::2] for label in found["Labels"].split(","))
        name = found.get("Names") or found["Name"]
        whose = labels.get(STACK_LABEL, ""), labels[PREFIX_LABEL]
        if kind == "container":
            # Docker writes the health in brackets after the time: `Up 3 minutes (healthy)`.
            since, _, health = found["Status"].partition(" (")
            health = _HEALTH.get(health, "-")
            yield Thing(kind, found["ID"], name, *whose, found["State"], health, since, FILES_LABEL not in labels)
        else:
            yield Thing(kind, found.get("ID", name), name, *whose)


def remove_container(name: str) -> None:
    """One that an interrupted command may have left, running or not."""
    if answer(["docker", "inspect", "--type=container", "--format={{.Id}}", name]):
        do(f"remove container {name}", ["rm", "--force", "--volumes", name])


def do(what: str, arguments: Sequence[str]) -> None:
    """Runs docker; a refusal is an error that says what could not be done, and why."""
    done = subprocess.run(["docker", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().removeprefix("Error response from daemon: ")
        raise Failure(f"cannot {what}: {cause(said) or said}")
