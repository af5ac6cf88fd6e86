"""The health of every part of a stack: Pulumi's state says which there should be, Docker which there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from launcher.inventory import Thing
from launcher.state import State


@dataclass(frozen=True)
class Part:
    name: str
    state: str
    health: str
    since: str
    well: bool


def parts(stack: str, state: State | None, things: Sequence[Thing]) -> list[Part]:
    """Every service that the state names, and whatever of its parts is missing; without a state, what is there."""
    if state is None:
        return [_part(thing) for thing in things if _is_service(thing) and thing.stack == stack]
    there = {thing.key: thing for thing in things}
    found = [_part(there[made.key]) for made in state.made if made.key in there and _is_service(there[made.key])]
    missing = [made for made in state.made if made.key not in there]
    names = [made.name if made.kind == "container" else str(made) for made in missing]
    return sorted([*found, *(Part(name, "missing", "-", "-", well=False) for name in names)], key=lambda p: p.name)


def _is_service(thing: Thing) -> bool:
    return thing.kind == "container" and thing.runs


def _part(thing: Thing) -> Part:
    return Part(thing.name, thing.state, thing.health, thing.since, thing.well)
