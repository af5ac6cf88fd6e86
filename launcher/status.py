"""The health of every part of a stack, as Docker sees it."""

import json
from dataclasses import dataclass

from launcher.console import Failure
from launcher.processes import answer

LABEL = "mlflow-platform.stack"


@dataclass(frozen=True)
class Part:
    name: str
    state: str
    health: str
    since: str

    @property
    def well(self) -> bool:
        return self.state == "running" and self.health in ("healthy", "-")


def parts(stack: str) -> list[Part]:
    """All containers that carry the stack's label, stopped ones too."""
    listed = answer(
        ["docker", "ps", "--all", "--no-trunc", "--filter", f"label={LABEL}={stack}", "--format", "{{json .}}"]
    )
    if listed is None:
        raise Failure("No Docker daemon answers; ./platform up starts one.")
    return sorted((_part(json.loads(line)) for line in listed.splitlines()), key=lambda part: part.name)


def _part(container: dict[str, str]) -> Part:
    """Docker writes the health in brackets after the time: `Up 3 minutes (healthy)`."""
    since, _, health = container["Status"].partition(" (")
    known = {"healthy)": "healthy", "unhealthy)": "unhealthy", "health: starting)": "starting"}
    return Part(container["Names"], container["State"], known.get(health, "-"), since)
