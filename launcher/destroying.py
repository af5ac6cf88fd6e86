"""`./platform destroy`: what runs goes, and the data stay for the next `up`, or go as well where that is asked for.

What a stack has is in Docker, and what its servers were told is on its volumes. So no server is asked to delete
anything: one that stopped, or is not there any more, is in nobody's way.
"""

import argparse
import sys
from collections.abc import Sequence

from launcher import exchange, images, inventory, leftovers, losses, prepare, upgrade
from launcher.console import Failure, agreed, done, say, table
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.stack import Stack
from launcher.state import State

_NO_TERMINAL = "destroy asks before it deletes, and there is no terminal to ask on; --yes answers."


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--delete-data", action="store_true", help="delete the data for good, too; else they stay")
    parser.add_argument(
        "--leftovers", action="store_true", help="delete what Docker has of it and this checkout has no state of"
    )


def destroy(paths: Paths, options: argparse.Namespace) -> int:
    if not options.yes and not sys.stdin.isatty():
        raise Failure(_NO_TERMINAL)
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=False)
    state = stack.make_ready()
    if not state.made and (left := [thing for thing in inventory.things() if thing.stack == stack.name]):
        say(f" ! this checkout has no state of {leftovers.in_words(left)}; --leftovers deletes them, data included")
    if options.leftovers:
        _leftovers(paths, stack, state, ask=not options.yes)
    elif options.delete_data:
        _with_its_data(paths, stack, state, ask=not options.yes)
    else:
        _but_for_its_data(stack, state, ask=not options.yes)
    return 0


def _but_for_its_data(stack: Stack, state: State, *, ask: bool) -> None:
    """The state keeps what is on the volumes, and the passwords to it: the next `up` finds all of that again."""
    volumes, rest = _split(_of(state))
    if not rest:
        done(f"stack {stack.name} is down")
    else:
        say(f"   these go: {leftovers.in_words(rest)}")
        _agreed(f"Take down stack {stack.name}, and keep its data?", ask)
        leftovers.delete(rest)
    if gone := {made.urn for made in state.made if made.kind != "volume"}:
        stack.replace_state(state.without(gone))
    if volumes:
        say(f"   its data stay on {leftovers.in_words(volumes)}: ./platform up finds them, --delete-data deletes them")


def _with_its_data(paths: Paths, stack: Stack, state: State, *, ask: bool) -> None:
    volumes, rest = _split(_of(state))
    if volumes:
        since = leftovers.since(volumes)
        say("   these volumes go, with all runs, models, artifacts, users and permissions on them:")
        print(table([("VOLUME", "SINCE"), *((volume.name, since[volume]) for volume in volumes)]))
    _agreed(f"Delete stack {stack.name} and all its data for good?", ask)
    leftovers.delete([*rest, *volumes])
    gone = {made.urn for made in state.made}
    gone |= {resource["urn"] for resource in state.resources if losses.kept_by(resource["urn"])}
    if gone:
        stack.replace_state(state.without(gone))
    stack.destroy()
    images.forget(paths, stack.name)
    upgrade.forget(paths, stack.name, state)
    exchange.Unfinished.of(paths, stack.name).forget()


def _leftovers(paths: Paths, stack: Stack, state: State, *, ask: bool) -> None:
    if state.made:
        raise Failure(
            f"This checkout has a state of stack {stack.name}: ./platform destroy --delete-data deletes what it names."
        )
    found = leftovers.deletable(paths, stack.name, stack.plan())
    if not found:
        done(f"nothing is left of stack {stack.name}")
        return
    print(table([("KIND", "NAME", "SINCE"), *((thing.kind, thing.name, since) for thing, since in found.items())]))
    _agreed(f"Delete these {len(found)} things, with the data on them?", ask)
    leftovers.delete(list(found))


def _of(state: State) -> list[Thing]:
    """All that Docker has under the prefix of what was made, volumes that it had no use for any more included."""
    return leftovers.in_order(leftovers.of_prefix(state.prefix)) if state.prefix else []


def _split(found: Sequence[Thing]) -> tuple[list[Thing], list[Thing]]:
    """What holds data, and the rest."""
    volumes = [thing for thing in found if thing.kind == "volume"]
    return volumes, [thing for thing in found if thing.kind != "volume"]


def _agreed(question: str, ask: bool) -> None:
    if ask and not agreed(question):
        raise Failure("Nothing was deleted.")
