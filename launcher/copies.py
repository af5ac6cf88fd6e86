"""`./platform backup` and `./platform restore`."""

import argparse
import getpass
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from launcher import backups, bundle, exchange, images, one_run, places, prepare
from launcher.console import Failure, agreed, done, only_work, say, step, table
from launcher.exchange import Target, same_containers
from launcher.paths import Paths
from launcher.places import Source
from launcher.restore import Found, Restore
from launcher.stack import Stack
from launcher.state import State

Add = Callable[[str, Callable[[Paths, argparse.Namespace], int], str], argparse.ArgumentParser]
_PARTS = ("database", "artifacts", "state")
_SHOWN = {"runs": "runs", "metrics": "metrics", "objects": "artifacts", "users": "users"}


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
        "--host-key",
        action="append",
        default=[],
        metavar="KEY",
        help="for sftp, once for each line of ssh-keyscan: what it shows after the machine's name",
    )
    restoring.add_argument(
        "--at", type=moment, metavar="TIME", help="as of then (2026-05-01 14:03:20, UTC); else the last"
    )
    restoring.add_argument("--into", metavar="STACK", help="another stack, for a look beside the running one")
    restoring.add_argument("--only", type=_part, metavar="PART", help=f"{', '.join(_PARTS)}, or the ID of a run")
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


def _part(text: str) -> str:
    if text not in _PARTS and not one_run.ID.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(_PARTS)}, and no ID of a run (32 of 0-9a-f)")
    return text


def backup(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=False)
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
    stack = prepare.stack(paths, replace(prepare.Request.of(options), stack=options.stack or "dev"), images_too=True)
    if options.undo:
        exchange.undo(Target.of(paths, stack, stack.make_ready()), images.ensure(paths, stack.name, "backup"))
        done(f"stack {stack.name} is as it was before the restore")
        return 0
    source = _source(paths, stack, options)
    restoring = Restore(paths, source, options.at, stack.name)
    with step("look at the place"):
        found = restoring.look()
    stack = replace(stack, name=options.into or options.stack or found.place["stack"])
    say(f" ✓ {source.settings['place']['name']}: stack {found.place['stack']}, backup of {found.when}")
    if options.only == "artifacts":
        exchange.bring_artifacts(restoring, stack.name, stack.state(secrets=True))
        return 0
    if options.only and options.only not in _PARTS:
        state = stack.state(secrets=True)
        one_run.bring(Target.of(paths, stack, state), restoring, found, state, options.only)
        return 0
    kept = restoring.bundle()
    if kept.commit != (here := bundle.commit(paths)):
        say(f"   it was made by commit {kept.commit}; this checkout is {here}, and its versions are what will run")
    if stack.name == kept.stack:
        bundle.put_files(paths, kept)
    elif not (paths.root / f"Pulumi.{stack.name}.yaml").exists():
        raise Failure(
            f"--into {stack.name} needs Pulumi.{stack.name}.yaml: a copy of the other with ports of its own, and with "
            "`to: none`, or a place of its own, under backup."
        )
    elif bundle.same_place(paths, kept, stack.name):
        raise Failure(
            f"Pulumi.{stack.name}.yaml sends backups to the place of stack {kept.stack}: `to: none` under backup sends "
            "none, or name another place. Nothing was changed."
        )
    current = stack.make_ready()
    if options.only == "state" or (not current.made and stack.name == kept.stack and same_containers(kept)):
        _take_over_state(stack, kept, current)
        return 0
    if not options.yes and not _confirmed(stack.name, found):
        raise Failure("Nothing was changed.")
    target = Target.of(paths, stack, current)
    exchange.whole(target, restoring, found, kept, artifacts=options.only != "database")
    done(f"stack {stack.name} is as of {_when(options.at) if options.at else 'the last that was shipped'}")
    return 0


def _source(paths: Paths, stack: Stack, options: argparse.Namespace) -> Source:
    if options.place:
        key = options.key_file.read_text().strip() if options.key_file else _asked_key()
        return places.named(options.place, key, ssh_key=options.ssh_key, host_keys=options.host_key)
    own = places.of_stack(stack.state(secrets=True)) if stack.exists() else None
    own = own or Source.kept(exchange.Unfinished.of(paths, stack.name).source)
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


def _confirmed(stack: str, found: Found) -> bool:
    if not sys.stdin.isatty():
        raise Failure("restore asks before it changes anything, and there is no terminal to ask on; --yes answers.")
    return agreed(f"Make the records of stack {stack} those of {found.when} or later, whatever there is now?")
