"""What a restore does to a stack: its records are exchanged, its artifacts come back, and all else is made anew."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import backups, images, inventory, leftovers, ports, probe
from launcher.bundle import Bundle
from launcher.console import Failure, say
from launcher.paths import Paths
from launcher.recovery import Recovery
from launcher.restore import Found, Restore, enough_room
from launcher.stack import Stack
from launcher.state import PREFIX_LABEL, STACK_LABEL, State, prefixes

_VOLUME = "docker:index/volume:Volume"


@dataclass(frozen=True)
class Target:
    """The stack that is restored, with the names that its parts have or will have."""

    paths: Paths
    stack: Stack
    prefix: str
    volumes: frozenset[str]

    @classmethod
    def of(cls, paths: Paths, stack: Stack, current: State) -> "Target":
        steps = stack.plan()
        plan = [step.get("newState") or {} for step in steps]  # of what is the same it says nothing
        prefix = current.prefix or next(prefixes(made.get("inputs") or {} for made in plan), None)
        if not prefix:
            raise Failure(
                f"What stack {stack.name} would be called is not known: ./platform preview says what is wrong."
            )
        found = leftovers.of_prefix(prefix)
        if others := sorted({thing.stack for thing in found} - {stack.name, ""}):
            raise Failure(leftovers.prefix_taken(stack.name, prefix, others[0]))
        if not any(thing.kind == "container" for thing in found):
            ports.check_free(steps)
        volumes = {made.name for made in current.made if made.kind == "volume"}
        volumes |= {made["inputs"]["name"] for made in plan if made.get("type") == _VOLUME}
        return cls(paths, stack, prefix, frozenset(volumes))

    @property
    def labels(self) -> tuple[str, ...]:
        return _labels(self.stack.name, self.prefix)

    @property
    def there(self) -> set[str]:
        """Of its volumes those that Docker has."""
        return {thing.name for thing in inventory.things() if thing.kind == "volume"} & self.volumes

    def recovery(self, image: str) -> Recovery:
        pattern = rf"{re.escape(self.prefix)}-postgres(-\d+)?"
        postgres = next(name for name in sorted(self.volumes) if re.fullmatch(pattern, name))
        server = images.ensure(self.paths, self.stack.name, "postgres")
        return Recovery(self.prefix, self.labels, postgres, server, image)

    @property
    def unfinished(self) -> "Unfinished":
        return Unfinished.of(self.paths, self.stack.name)


@dataclass(frozen=True)
class Unfinished:
    """Files of a restore that is not through, which whatever goes on with it, or takes it back, needs."""

    before: Path
    """The state of before."""
    source: Path
    """Where the restore comes from: the backup's state, of which nothing is made yet, does not say."""
    begun: Path
    """There once the state is the backup's, and what is made from then on goes with it."""

    @classmethod
    def of(cls, paths: Paths, stack: str) -> "Unfinished":
        before, source = (paths.own / f"{name}-{stack}.json" for name in ("before-restore", "restore-from"))
        return cls(before, source, paths.own / f"restoring-{stack}")

    def forget(self) -> None:
        for file in (self.before, self.source, self.begun):
            file.unlink(missing_ok=True)


def whole(target: Target, restoring: Restore, found: Found, kept: Bundle, *, artifacts: bool) -> None:
    """All of the stack. Interrupted, it goes on when it is asked again; failed, `undo` brings back what there was."""
    recovery, unfinished = target.recovery(restoring.image), target.unfinished
    inventory.do("make PostgreSQL's volume", ["volume", "create", *target.labels, recovery.volume])
    if recovery.exchanged():
        say("   an earlier restore has exchanged the records already; this one goes on from there")
    else:
        unfinished.forget()
        enough_room(found, restoring.image, recovery.volume)
        try:
            restoring.records(recovery, found)
        except BaseException:  # Ctrl-C, too: no base backup can be made beside what was fetched
            recovery.forget_coming()
            raise
        _keep_state(target)
    if not unfinished.begun.exists():
        _take_down(target.prefix)
        recovery.swap()
        _hold_backups(target, restoring.image)
        restoring.source.keep(unfinished.source)
        target.stack.replace_state(_taken_over(kept, target.stack, target.there))
        unfinished.begun.touch()
    try:
        state = _made(target)
        if artifacts:
            bring_artifacts(restoring, target.stack.name, state)
    except Failure as failure:
        undo = f"What there was is still there: ./platform restore --undo --stack {target.stack.name} brings it back."
        ways = ["The same command again goes on from here.", *([undo] if unfinished.before.exists() else [])]
        raise Failure("\n  ".join([str(failure), *ways])) from None
    recovery.forget_before()
    unfinished.forget()
    if backups.container(state):  # a look has none
        backups.release(state)
        backups.now(target.paths, target.stack, state, base=True)


def undo(target: Target, image: str) -> None:
    """Interrupted, it goes on when it is asked for again."""
    recovery, unfinished = target.recovery(image), target.unfinished
    if not unfinished.before.exists() or not (recovery.exchanging() or unfinished.begun.exists()):
        raise Failure(f"There is nothing to undo: no restore of stack {target.stack.name} is unfinished.")
    _take_down(target.prefix)
    recovery.back()
    _forget_spool(target.prefix, target.there)
    before = State(json.loads(unfinished.before.read_text()))
    target.stack.replace_state(before.without(_anew(before, target.there, minio=True)))
    _made(target)
    unfinished.forget()


def _hold_backups(target: Target, image: str) -> None:
    """A spool without anything of the records of before, and with a mark: a bucket half restored is no news."""
    spool = f"{target.prefix}-backup"
    if spool not in target.volumes:  # the stack file has no backup any more
        return
    _forget_spool(target.prefix, target.there)
    inventory.do("make the backup's spool", ["volume", "create", *target.labels, spool])
    mark = ["run", "--rm", "--network=none", "--user=0:0", *target.labels, f"--volume={spool}:/spool"]
    inventory.do("hold backups", [*mark, "--entrypoint=touch", image, "/spool/hold"])


def bring_artifacts(restoring: Restore, stack: str, state: State, below: str = "") -> None:
    outputs = state.outputs
    minio = {"url": "http://minio:9000", "region": outputs["s3_region"]}
    prefix = str(state.prefix)
    labels = _labels(stack, prefix)
    restoring.artifacts(prefix, labels, minio, outputs["minio_root"], outputs["artifact_bucket"], below)


def _labels(stack: str, prefix: str) -> tuple[str, ...]:
    return (f"--label={STACK_LABEL}={stack}", f"--label={PREFIX_LABEL}={prefix}")


def _made(target: Target) -> State:
    images.remember(target.paths, target.stack.name, target.stack.environment[images.VARIABLE])
    target.stack.up()
    state = target.stack.state(secrets=True)
    probe.until_all_answer(target.stack.name, state)
    return state


def _keep_state(target: Target) -> None:
    """As it is, with its secrets encrypted."""
    state = target.stack.state()
    if state.made:
        file = target.unfinished.before
        file.touch(mode=0o600)
        file.write_text(json.dumps(state.deployment))


def _forget_spool(prefix: str, there: set[str]) -> None:
    """What was on its way belongs to records that are no more; the place has all that was whole."""
    if (spool := f"{prefix}-backup") in there:
        inventory.do("remove the backup's spool", ["volume", "rm", spool])


def _taken_over(bundle: Bundle, stack: Stack, volumes: set[str]) -> State:
    """The bundle's state as the stack's own: without what Docker makes anew, and what was on volumes that are gone.

    Of a stack with another name it is the same by that name.
    """
    text = json.dumps(bundle.deployment)
    if bundle.stack != stack.name:
        text = text.replace(f"urn:pulumi:{bundle.stack}::", f"urn:pulumi:{stack.name}::")
        text = text.replace(f'mlflow-platform-{bundle.stack}"', f'mlflow-platform-{stack.name}"')
    state = State({**json.loads(text), "secrets_providers": stack.secrets_provider()})
    minio_stays = all(
        made.id in volumes for made in state.made if made.kind == "volume" and made.resource.startswith("minio")
    )
    return state.without(_anew(state, volumes, minio=minio_stays))


def _anew(state: State, volumes: set[str], *, minio: bool) -> set[str]:
    """URNs of what is not there any more once all containers are gone; `minio` says that MinIO's volumes are there."""

    def gone(resource: Mapping[str, Any]) -> bool:
        kind = resource["type"]
        if kind == _VOLUME:
            return resource["id"] not in volumes
        return kind.startswith("docker:") or (kind.startswith("minio:") and not minio)

    return {resource["urn"] for resource in state.resources if gone(resource)}


def same_containers(bundle: Bundle) -> bool:
    """Whether Docker still has all that the state names: then nothing but the state was lost."""
    there = {thing.key for thing in inventory.things()}
    made = bundle.state.made
    return bool(made) and all(part.key in there for part in made)


def _take_down(prefix: str) -> None:
    """The stack's containers and networks, which hold no data; volumes stay."""
    leftovers.delete(leftovers.in_order([it for it in leftovers.of_prefix(prefix) if it.kind != "volume"]))
