"""What a restore does to a stack: its records are exchanged, its artifacts come back, and all else is made anew."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import backups, images, inventory, leftovers, probe
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
        plan = [step.get("newState") or {} for step in stack.plan()]  # of what is the same it says nothing
        prefix = current.prefix or next(prefixes(made.get("inputs") or {} for made in plan), None)
        if not prefix:
            raise Failure(
                f"What stack {stack.name} would be called is not known: ./platform preview says what is wrong."
            )
        volumes = {made.name for made in current.made if made.kind == "volume"}
        volumes |= {made["inputs"]["name"] for made in plan if made.get("type") == _VOLUME}
        return cls(paths, stack, prefix, frozenset(volumes))

    @property
    def labels(self) -> tuple[str, ...]:
        return (f"--label={STACK_LABEL}={self.stack.name}", f"--label={PREFIX_LABEL}={self.prefix}")

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
    def before(self) -> Path:
        """The state of before, until the restore is through."""
        return self.paths.own / f"before-restore-{self.stack.name}.json"

    @property
    def begun(self) -> Path:
        """There once the state is the backup's, and what is made from then on goes with it."""
        return self.paths.own / f"restoring-{self.stack.name}"

    def forget(self) -> None:
        for file in (self.before, self.begun):
            file.unlink(missing_ok=True)


def whole(target: Target, restoring: Restore, found: Found, kept: Bundle, *, artifacts: bool) -> None:
    """All of the stack. Interrupted, it goes on when it is asked again; failed, `undo` brings back what there was."""
    recovery = target.recovery(restoring.image)
    inventory.do("make PostgreSQL's volume", ["volume", "create", *target.labels, recovery.volume])
    if recovery.exchanged():
        say("   an earlier restore has exchanged the records already; this one goes on from there")
    else:
        target.begun.unlink(missing_ok=True)
        enough_room(found, restoring.image)
        try:
            restoring.records(recovery, found)
        except BaseException:  # Ctrl-C, too: no base backup can be made beside what was fetched
            recovery.forget_coming()
            raise
        _keep_state(target)
    if not target.begun.exists():
        _take_down(target.prefix)
        recovery.swap()
        _hold_backups(target, restoring.image)
        target.stack.replace_state(_taken_over(kept, target.stack, target.there))
        target.begun.write_text(found.when)
    try:
        state = _made(target)
        if artifacts:
            bring_artifacts(restoring, state)
    except Failure as failure:
        undo = f"./platform restore --undo --stack {target.stack.name}"
        raise Failure(f"{failure}\n  What there was is still there: {undo} brings it back.") from None
    recovery.forget_before()
    target.forget()
    backups.release(state)
    backups.now(target.paths, target.stack, state, base=True)


def undo(target: Target, image: str) -> None:
    recovery = target.recovery(image)
    if not target.before.exists() or not recovery.exchanged():
        raise Failure(f"There is nothing to undo: no restore of stack {target.stack.name} is unfinished.")
    _take_down(target.prefix)
    recovery.back()
    _forget_spool(target.prefix, target.there)
    before = State(json.loads(target.before.read_text()))
    target.stack.replace_state(before.without(_anew(before, target.there, minio=True)))
    _made(target)
    target.forget()


def _hold_backups(target: Target, image: str) -> None:
    """A spool without anything of the records of before, and with a mark: a bucket half restored is no news."""
    spool = f"{target.prefix}-backup"
    if spool not in target.volumes:  # the stack file has no backup any more
        return
    _forget_spool(target.prefix, target.there)
    inventory.do("make the backup's spool", ["volume", "create", *target.labels, spool])
    mark = ["run", "--rm", "--network=none", "--user=0:0", *target.labels, f"--volume={spool}:/spool"]
    inventory.do("hold backups", [*mark, "--entrypoint=touch", image, "/spool/hold"])


def bring_artifacts(restoring: Restore, state: State, below: str = "") -> None:
    outputs = state.outputs
    minio = {"url": "http://minio:9000", "region": outputs["s3_region"]}
    restoring.artifacts(str(state.prefix), minio, outputs["minio_root"], outputs["artifact_bucket"], below)


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
        target.before.touch(mode=0o600)
        target.before.write_text(json.dumps(state.deployment))


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
