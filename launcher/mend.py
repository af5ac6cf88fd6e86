"""Puts in order what Docker has otherwise than Pulumi's state says, so that the `up` that follows makes the rest.

A stopped part is started. One that vanished is forgotten by the state, and so made anew; so is whatever lived on a
volume that vanished (databases, a realm, a bucket), since no server has it any more.
"""

import time
from collections.abc import Collection, Sequence

from launcher import inventory, losses
from launcher.console import Failure, duration, say, step
from launcher.inventory import Thing
from launcher.stack import Stack
from launcher.state import Made, State

_BEGINS = {"exited": "start", "created": "start", "paused": "unpause"}
_HEALTHY_WITHIN = 180.0


def mend(stack: Stack, state: State, things: Sequence[Thing], *, accept_loss: bool, left: Collection[str] = ()) -> None:
    """Does nothing, in no time, where Docker has all that the state names; starts no container that is `left` (ids)."""
    there = {thing.key: thing for thing in things}
    vanished = [made for made in state.made if made.key not in there]
    if vanished:
        vanished = _forget_with_what_was_there(stack, state, vanished, there, accept_loss)
    forgotten = {made.key for made in vanished}
    start([there[made.key] for made in state.made if made.key not in forgotten and made.id not in left])


def _forget_with_what_was_there(
    stack: Stack, state: State, vanished: list[Made], there: dict[tuple[str, str], Thing], accept_loss: bool
) -> list[Made]:
    """The parts that are to be made anew, which neither Docker nor the state has any more."""
    volumes = [made for made in vanished if made.kind == "volume"]
    if volumes and not state.runs:  # by the containers alone it is known which server had what on which volume
        raise Failure(
            f"{_listed(volumes)} {_has(volumes)} vanished from Docker while stack {stack.name} was down, with the "
            "data: restore the volume under this name from a backup, or give up all data of the stack with "
            "./platform destroy --delete-data; nothing was changed."
        )
    lost = losses.lived_on(state, {made.urn for made in volumes})
    data = [made for made in volumes if made.urn in lost]
    if any(made.kept for made in data) and not accept_loss:
        raise Failure(
            f"{_listed(data)} {_has(data)} vanished from Docker, with the data, and stack {stack.name} is to keep its "
            "data: restore the volume under this name from a backup (or reach the Docker daemon that has it), or let "
            "./platform up --accept-loss begin anew without; nothing was changed."
        )
    networks = {made.name for made in vanished if made.kind == "network"}
    anew = [made for made in state.made if made in vanished or made.urn in lost or _joins(state, made, networks)]
    _names_are_free(anew, there)

    for made in vanished:
        say(f" ! {made} has vanished from Docker; it is made anew")
    for made in data:
        servers = sorted({kind for urn in lost if (kind := losses.kept_by(urn))})
        also = f", and so have the things that {' and '.join(servers)} had on it" if servers else ""
        say(f" ! the data on {made} have vanished with it{also}: they begin anew, empty")
    for made in anew:
        if made.kind == "container" and made.key in there:  # it holds no data, and what it was started with is gone
            inventory.do(f"stop {made}", ["stop", "--time", "20", made.id])
            inventory.do(f"remove {made}", ["rm", "--force", "--volumes", made.id])
    stack.replace_state(state.without(lost | {made.urn for made in anew}))
    return anew


def _joins(state: State, made: Made, networks: Collection[str]) -> bool:
    """Whether it is a container on one of these networks: Docker starts none whose network is gone."""
    if made.kind != "container" or not networks:
        return False
    inputs = next(resource["inputs"] for resource in state.resources if resource["urn"] == made.urn)
    return any(network["name"] in networks for network in inputs.get("networksAdvanced") or [])


def _names_are_free(anew: Sequence[Made], there: dict[tuple[str, str], Thing]) -> None:
    for made in anew:
        for thing in there.values():
            if made.kind != "volume" and (thing.kind, thing.name) == (made.kind, made.name) and thing.id != made.id:
                remove = "docker rm --force" if made.kind == "container" else "docker network rm"
                raise Failure(
                    f"{made} is not the one that Pulumi's state names, but another one that took its name: "
                    f"remove it ({remove} {made.name}), or bring the state that it was made with."
                )


def start(there: Sequence[Thing]) -> None:
    """Those that stopped, all at once: MinIO's nodes wait for each other. Until they are well: Pulumi may ask them."""
    stopped = [thing for thing in there if not thing.well and thing.state in _BEGINS]
    if not stopped:
        return
    names = ", ".join(thing.name for thing in stopped)
    with step(f"start what was stopped: {names}"):
        for thing in stopped:
            inventory.do(f"start container {thing.name}", [_BEGINS[thing.state], thing.id])
        deadline = time.monotonic() + _HEALTHY_WITHIN
        while waiting := _unwell({thing.id for thing in stopped}):
            if time.monotonic() > deadline:
                raise Failure(
                    f"container {waiting[0]} was stopped, and {duration(_HEALTHY_WITHIN)} after its start it is not "
                    f"well: docker logs {waiting[0]}"
                )
            time.sleep(0.5)


def _unwell(ids: Collection[str]) -> list[str]:
    return [thing.name for thing in inventory.things() if thing.id in ids and not thing.well]


def _listed(parts: Sequence[Made]) -> str:
    return ", ".join(map(str, parts))


def _has(parts: Sequence[Made]) -> str:
    return "has" if len(parts) == 1 else "have"
