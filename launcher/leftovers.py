"""What Docker has under a prefix: named before `up` meets it without a state of it, and how it is taken away."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from launcher import inventory
from launcher.console import Failure, say, step
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.processes import answer
from launcher.state import Kind, on_disk, prefixes

_KINDS: tuple[Kind, ...] = ("container", "volume", "network")  # containers first, since they use the others
_CREATED = {"container": "{{json .Created}}", "network": "{{json .Created}}", "volume": "{{json .CreatedAt}}"}
_REMOVE = {"container": ["rm", "--force", "--volumes"], "network": ["network", "rm"], "volume": ["volume", "rm"]}


def refuse(paths: Paths, stack: str, plan: Sequence[Mapping[str, Any]], begun: Collection[tuple[str, str]]) -> None:
    """Fails where something is there under the prefix of a stack that has nothing yet: its passwords are not ours.

    `begun` (kind and name) is what an interrupted `up` of this very stack may have left.
    """
    prefix = _prefix(plan)
    found = [thing for thing in of_prefix(prefix) if (thing.kind, thing.name) not in begun] if prefix else []
    if not found:
        return
    if other := _of_another_stack(paths, stack, found):
        raise Failure(prefix_taken(stack, prefix, other))
    raise Failure(
        f"Docker has parts of a stack that this checkout has no state of ({in_words(found)}; since "
        f"{min(since(found).values())}): bring its state and passphrase (.platform/ of the checkout that made it), or "
        f"delete what is left, data included, with {remedy(stack)}, or choose another prefix "
        f"(and other ports, if it runs) in Pulumi.{stack}.yaml; nothing was changed."
    )


def deletable(paths: Paths, stack: str, plan: Sequence[Mapping[str, Any]]) -> dict[Thing, str]:
    """What is left under the stack's prefix, with the times of its creation, in the order to delete it."""
    prefix = _prefix(plan)
    if not prefix:
        raise Failure(
            f"What stack {stack} would be called is not known: ./platform preview says what is wrong with it."
        )
    found = of_prefix(prefix)
    if other := _of_another_stack(paths, stack, found):
        raise Failure(prefix_taken(stack, prefix, other))
    times = since(found)
    return {thing: times[thing] for thing in in_order(found)}


def delete(found: Collection[Thing]) -> None:
    """In this order; the first refusal ends it. Servers are told to stop first, so that what they hold is written."""
    if running := [thing for thing in found if thing.kind == "container" and thing.state == "running" and thing.runs]:
        with step(f"stop {', '.join(thing.name for thing in running)}"):
            inventory.do("stop the containers", ["stop", "--time", "30", *(thing.id for thing in running)])
    for thing in found:
        inventory.do(f"delete {thing.kind} {thing.name}", [*_REMOVE[thing.kind], thing.id])
        say(f" ✓ deleted {thing.kind} {thing.name}")


def remedy(stack: str) -> str:
    return f"./platform destroy{'' if stack == 'dev' else f' --stack {stack}'} --leftovers"


def in_order(found: Collection[Thing]) -> list[Thing]:
    """Such that nothing is deleted that something else still uses."""
    return [thing for kind in _KINDS for thing in found if thing.kind == kind]


def of_prefix(prefix: str) -> list[Thing]:
    return [thing for thing in inventory.things() if thing.prefix == prefix]


def in_words(found: Iterable[Thing]) -> str:
    """
    >>> in_words([Thing("volume", "a-b", "a-b", "s", "a"), Thing("container", "1", "a-c", "s", "a")])
    'container a-c; volume a-b'
    """
    names = {kind: [thing.name for thing in found if thing.kind == kind] for kind in _KINDS}
    return "; ".join(f"{kind}{'s' * (len(some) > 1)} {', '.join(some)}" for kind, some in names.items() if some)


def _prefix(plan: Sequence[Mapping[str, Any]]) -> str | None:
    return next(prefixes((step.get("newState") or {}).get("inputs") or {} for step in plan), None)


def _of_another_stack(paths: Paths, stack: str, found: Iterable[Thing]) -> str | None:
    """The stack of this checkout that has a state in which one of these is named."""
    keys = {thing.key for thing in found}
    for other in sorted({thing.stack for thing in found} - {stack, ""}):
        try:
            state = on_disk(paths.root, paths.own, other)
        except LookupError:
            return other  # which may have one; better not to touch it
        if state and keys & {made.key for made in state.made}:
            return other
    return None


def prefix_taken(stack: str, prefix: str | None, other: str) -> str:
    return f"The prefix {prefix} is that of stack {other}: choose another one for {stack} in Pulumi.{stack}.yaml."


def since(found: Iterable[Thing]) -> dict[Thing, str]:
    """The minute in which each was made; of a volume Docker tells when its folder was changed last."""
    times: dict[Thing, str] = {}
    for kind, template in _CREATED.items():
        if some := [thing for thing in found if thing.kind == kind]:
            ids = [thing.id for thing in some]
            said = answer(["docker", kind, "inspect", "--format", template, *ids]) or ""
            lines = [line.strip('"') for line in said.splitlines()]
            times |= {thing: _minute(line) for thing, line in zip(some, lines, strict=False)}
    return {thing: times.get(thing, "?") for thing in found}


def _minute(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
