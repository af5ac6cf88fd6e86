"""`./platform backup` and `./platform restore`."""

import argparse
import getpass
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from launcher import backups, bundle, images, inventory, places, prepare, probe
from launcher.console import Failure, done, only_work, say, step, table
from launcher.paths import Paths
from launcher.places import Source
from launcher.recovery import Recovery
from launcher.restore import Found, Restore, enough_room, labels, same_containers, state_to_take_over, stop_and_remove
from launcher.stack import Stack
from launcher.state import State, prefixes

Add = Callable[[str, Callable[[Paths, argparse.Namespace], int], str], argparse.ArgumentParser]
_SHOWN = {"runs": "runs", "metrics": "metrics", "objects": "artifacts", "users": "users"}
_PARTS = ("all", "database", "artifacts", "state")


def add_commands(add: Add) -> None:
    making = add("backup", backup, "make a backup now, list them, or verify what is there")
    making.add_argument("what", choices=["now", "list", "verify"])
    making.add_argument("--deep", action="store_true", help="verify: read every byte")
    making.add_argument("--base", action="store_true", help="now: with a base backup of PostgreSQL of its own")
    restoring = add("restore", restore, "bring a stack back from a backup, to any second, with its key alone")
    restoring.set_defaults(stack=None)
    restoring.add_argument("--from", dest="place", metavar="PLACE", help=f"{places.FORMS}; by default the stack's own")
    restoring.add_argument("--key-file", type=Path, metavar="FILE", help="the backup key; without it, it is asked for")
    restoring.add_argument("--ssh-key", type=Path, metavar="FILE", help="for sftp: the private key that is let in")
    restoring.add_argument(
        "--host-key", metavar="KEY", help="for sftp: what ssh-keyscan shows after the machine's name"
    )
    restoring.add_argument(
        "--at", type=moment, metavar="TIME", help="as of then (2026-05-01 14:03:20, UTC); else the last"
    )
    restoring.add_argument("--into", metavar="STACK", help="another stack, for a look beside the running one")
    restoring.add_argument("--only", choices=_PARTS[1:], default="all", help="one part of it")
    restoring.add_argument("--undo", action="store_true", help="put back what was there before an unfinished restore")
    restoring.add_argument("--yes", action="store_true", help="do not ask")


def moment(text: str) -> float:
    """Unix time; without an offset it is UTC.

    >>> moment("1970-01-01 00:01:00.5"), moment("1970-01-01T01:00:00+01:00")
    (60.5, 0.0)
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it like 2026-05-01 14:03:20") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def backup(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    stack = prepare.stack(paths, prepare.request(options), images_too=False)
    state = stack.make_ready()
    if options.what == "now":
        backups.now(paths, stack, state, base=options.base)
    elif options.what == "verify":
        backups.verify(stack.name, state, deep=options.deep)
    else:
        rows = [
            (found["id"], _when(found["time"]), found["base"], _in_words(found))
            for found in backups.listed(stack.name, state)
        ]
        print(table([("BACKUP", "AS OF", "BASE", "WHAT"), *rows]))
    return 0


def _in_words(found: Mapping[str, Any]) -> str:
    counts = found["counts"]
    return ", ".join(f"{counts[what]:,} {name}" for what, name in _SHOWN.items())


def _when(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def restore(paths: Paths, options: argparse.Namespace) -> int:
    if options.at and options.at > datetime.now(UTC).timestamp():
        raise Failure("--at is in the future.")
    stack = prepare.stack(paths, prepare.request(options, stack=options.stack or "dev"), images_too=True)
    source = _source(stack, options)
    restoring = Restore(paths, source, options.at, stack.name)
    with step("look at the place"):
        found = restoring.look()
    stack = replace(stack, name=options.into or options.stack or found.place["stack"])
    say(f" ✓ {source.settings['place']['name']}: stack {found.place['stack']}, backup of {found.when}")
    kept = restoring.bundle()
    if options.only == "artifacts":
        return _artifacts(restoring, stack)
    if stack.name == kept.stack:
        bundle.put_files(paths, kept)
    elif not (paths.root / f"Pulumi.{stack.name}.yaml").exists():
        raise Failure(f"--into {stack.name} needs Pulumi.{stack.name}.yaml: a copy of the other with ports of its own.")
    current = stack.make_ready()
    if options.only == "state" or (not current.made and stack.name == kept.stack and same_containers(kept)):
        _take_over_state(stack, kept, current)
        return 0
    _all(paths, options, restoring, stack, current, found, kept)
    return 0


def _source(stack: Stack, options: argparse.Namespace) -> Source:
    if options.place:
        key = options.key_file.read_text().strip() if options.key_file else _asked_key()
        return places.named(options.place, key, ssh_key=options.ssh_key, host_key=options.host_key)
    own = places.of_stack(stack.state(secrets=True)) if stack.exists() else None
    if not own:
        raise Failure(f"This checkout knows no stack {stack.name} with a backup: --from says where it is.")
    return own


def _asked_key() -> str:
    if not sys.stdin.isatty():
        raise Failure("The backup's key is needed, and there is no terminal to ask for it on: --key-file FILE has it.")
    return getpass.getpass("Backup key: ").strip()


def _take_over_state(stack: Stack, kept: bundle.Bundle, current: State) -> None:
    if current.made:
        raise Failure(f"This checkout has a state of stack {stack.name} already; --only state is for one that lost it.")
    if not same_containers(kept):
        raise Failure("Docker has not all that the backup's state names: restore without --only brings the rest back.")
    stack.replace_state(State({**kept.deployment, "secrets_providers": stack.secrets_provider()}))
    done(f"the state of stack {stack.name} is back; nothing else was touched")


def _artifacts(restoring: Restore, stack: Stack) -> int:
    state = stack.state(secrets=True)
    _bring_artifacts(restoring, state)
    return 0


def _bring_artifacts(restoring: Restore, state: State) -> None:
    outputs = state.outputs
    minio = {"url": "http://minio:9000", "region": outputs["s3_region"]}
    restoring.artifacts(str(state.prefix), minio, outputs["minio_root"], outputs["artifact_bucket"])


def _all(
    paths: Paths,
    options: argparse.Namespace,
    restoring: Restore,
    stack: Stack,
    current: State,
    found: Found,
    kept: bundle.Bundle,
) -> None:
    plan = [step.get("newState") or {} for step in stack.plan()]  # of what is the same it says nothing
    prefix = current.prefix or next(prefixes(made.get("inputs") or {} for made in plan), None)
    if not prefix:
        raise Failure(f"What stack {stack.name} would be called is not known: ./platform preview says what is wrong.")
    volumes = {made.name for made in current.made if made.kind == "volume"}
    volumes |= {made["inputs"]["name"] for made in plan if made.get("type") == "docker:index/volume:Volume"}
    postgres = next(name for name in volumes if re.fullmatch(rf"{re.escape(prefix)}-postgres(-\d+)?", name))
    server = images.ensure(paths, stack.name, "postgres")
    recovery = Recovery(prefix, labels(stack.name, prefix), postgres, server, restoring.image)
    there = {thing.name for thing in inventory.things() if thing.kind == "volume"}
    if not options.yes and not _confirmed(stack.name, found, postgres in there):
        raise Failure("Nothing was changed.")
    inventory.do("make PostgreSQL's volume", ["volume", "create", *labels(stack.name, prefix), postgres])
    if options.undo:
        raise Failure("--undo is not needed: no restore is unfinished.")
    if recovery.exchanged():
        say("   an earlier restore has exchanged the records already; it goes on from there")
    else:
        enough_room(found, restoring.image)
        restoring.records(recovery, found)
    stop_and_remove(prefix)
    recovery.swap()
    _forget_spool(prefix, there)
    stack.replace_state(state_to_take_over(kept, stack, sorted(there & volumes | {postgres})))
    images.remember(paths, stack.name, stack.environment[images.VARIABLE])
    stack.up()
    state = stack.state(secrets=True)
    if options.only != "database":
        _bring_artifacts(restoring, state)
    probe.until_all_answer(stack.name, state)
    recovery.forget_before()
    backups.now(paths, stack, state, base=True)
    done(f"stack {stack.name} is as of {_when(options.at) if options.at else 'the last that was shipped'}")


def _forget_spool(prefix: str, there: set[str]) -> None:
    """What was on its way belongs to the records that are no more; the place has all that was whole."""
    if (spool := f"{prefix}-backup") in there:
        inventory.do("remove the backup's spool", ["volume", "rm", spool])


def _confirmed(stack: str, found: Found, is_there: bool) -> bool:
    if not sys.stdin.isatty():
        raise Failure("restore asks before it changes anything, and there is no terminal to ask on; --yes answers.")
    what = f"Replace the records of stack {stack} by those of {found.when}" if is_there else f"Make stack {stack}"
    return input(f"{what} or later? [y/N] ").strip().lower() in ("y", "yes")
