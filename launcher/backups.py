"""The stack's backups, as its backup container makes and knows them: asked by docker exec, never over a network."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from launcher import bundle
from launcher.console import Failure, duration
from launcher.paths import Paths
from launcher.processes import answer
from launcher.sizes import in_words
from launcher.stack import Stack
from launcher.state import State

_SERVICE = "backup"
_PROGRAM = ["python", "-m", "platform_backup"]
_LATE = 3  # times its interval, after which a round of artifacts is late
_STALE = 120.0  # seconds since the log was last shipped whole, after which that is late
_DAY = 86400.0


@dataclass(frozen=True)
class Report:
    """What `status` shows: rows of a table, and a sentence for each thing that is wrong."""

    rows: list[tuple[str, str]]
    wrong: list[str]


def container(state: State) -> str | None:
    """Docker's id of the one that makes backups, where the stack has any."""
    made = state.container(_SERVICE)
    return made.id if made else None


def bring(paths: Paths, stack: Stack, state: State) -> None:
    """Hands the stack's state to the backup, which takes it along from now on; the archive goes by stdin."""
    if not (to := container(state)):
        return
    archive = bundle.packed(bundle.of(paths, stack))
    _run(to, ["keep-stack"], stdin=archive)


def now(paths: Paths, stack: Stack, state: State, *, base: bool = False) -> None:
    """A backup of this moment, with progress; raises Failure with the reason when it could not be made."""
    bring(paths, stack, state)
    _run(_needed(stack.name, state), ["now", *(["--base"] if base else [])], shown=True)


def release(state: State) -> None:
    """Lets it go on: what the stack has now is what is to be kept."""
    if to := container(state):
        _run(to, ["release"])


def verify(stack: str, state: State, *, deep: bool) -> None:
    _run(_needed(stack, state), ["verify", *(["--deep"] if deep else [])], shown=True)


def listed(stack: str, state: State) -> list[Mapping[str, Any]]:
    """The manifests, oldest first."""
    return [json.loads(line) for line in _run(_needed(stack, state), ["list"]).splitlines()]


def report(state: State) -> Report | None:
    """How backups fare; None where the stack has none, or its container is not there to say so."""
    asked = container(state)
    said = asked and answer(["docker", "exec", asked, *_PROGRAM, "status"], timeout=10)
    if not asked or not said:
        return None
    known = json.loads(said)
    now = datetime.now(UTC).timestamp()
    return Report(list(_rows(known, now)), list(_wrong(known, now)))


def _rows(known: Mapping[str, Any], now: float) -> Iterator[tuple[str, str]]:
    last = known.get("last")
    yield "last backup", f"{_ago(last['time'], now)}, {_counted(last['counts'])}" if last else "none yet"
    yield "base backup", _ago(known.get("base"), now)
    behind = known.get("behind_bytes")
    yield "log shipped", f"{_ago(known.get('shipped_until'), now)}{f', {behind:,} bytes behind' if behind else ''}"
    deep = f", every byte {_ago(known['verified_deep'], now)}" if known.get("verified_deep") else ""
    yield "verified", f"{_ago(known.get('verified'), now)}{deep}"


def _counted(counts: Mapping[str, int]) -> str:
    return f"{counts['runs']:,} runs, {counts['objects']:,} artifacts of {in_words(counts['bytes'])}"


def _wrong(known: Mapping[str, Any], now: float) -> Iterator[str]:
    for work, failure in known["failing"].items():
        yield f"{work} fails since {_ago(failure['since'], now)}: {failure['why']}"
    began = known["since"]
    limits = known["limits"]
    if now - (known.get("shipped_until") or began) > max(_STALE, _LATE * limits["database_seconds"]):
        yield f"the log was shipped whole {_ago(known.get('shipped_until'), now)}"
    last = (known.get("last") or {}).get("time")
    if now - (last or began) > max(_STALE, _LATE * limits["artifacts_every"]):
        yield f"the last backup is of {_ago(last, now)}"
    if last and not known.get("stack") and now - began > 2 * limits["artifacts_every"]:  # which would take it along
        yield "it has no state of Pulumi's yet: ./platform backup now brings it"
    if known.get("base") and now - known["base"] > 2 * _DAY:
        yield f"the last base backup is of {_ago(known['base'], now)}"
    if known.get("verified") and now - known["verified"] > 2 * _DAY:
        yield f"the last verification was {_ago(known['verified'], now)}"


def _ago(time: float | None, now: float) -> str:
    return f"{duration(max(0.0, now - time))} ago" if time else "never"


def _needed(stack: str, state: State) -> str:
    if not (found := container(state)):
        raise Failure(
            f"Stack {stack} has no backup: backup.to in Pulumi.{stack}.yaml names a place, and up begins one."
        )
    return found


def _run(container: str, arguments: Sequence[str], *, stdin: bytes = b"", shown: bool = False) -> str:
    """What it prints, which is shown meanwhile where that is asked for."""
    command = ["docker", "exec", "--interactive", container, *_PROGRAM, *arguments]
    finished = subprocess.run(
        command, input=stdin, stdout=None if shown else subprocess.PIPE, stderr=subprocess.PIPE, check=False
    )
    if finished.returncode:
        said = finished.stderr.decode(errors="replace").strip().removeprefix("error: ")
        raise Failure(f"backup {arguments[0]} failed: {said or 'its container does not answer (docker logs says why)'}")
    return (finished.stdout or b"").decode()
