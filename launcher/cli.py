"""The command line of `./platform`."""

import argparse
import json
import re
import shlex
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from launcher import (
    access,
    audit,
    backups,
    copies,
    destroying,
    disks,
    engines,
    images,
    inventory,
    leftovers,
    mend,
    ports,
    prepare,
    probe,
    served,
    sizes,
    status,
    summary,
    tests,
    upgrade,
)
from launcher.console import Failure, done, duration, only_work, say, table
from launcher.doors import Doors
from launcher.paths import Paths
from launcher.state import State, on_disk

_HIDDEN = "[secret]"  # as Pulumi prints one
Command = Callable[[Paths, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if arguments is None else arguments)
    try:
        return options.command(Paths.of_this_checkout(), options)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; the next ./platform up goes on from here", file=sys.stderr)
        return 130


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; what `test` and `pulumi` pass on is in `rest`."""
    parser = argparse.ArgumentParser(
        prog="./platform", description="A private MLflow with Keycloak, MinIO and PostgreSQL on this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        sub.set_defaults(command=command, rest=[])
        sub.add_argument("--stack", default="dev", type=_stack_name, metavar="NAME", help="the stack (default: dev)")
        sub.add_argument(
            "--engine",
            choices=engines.CHOICES,
            default="auto",
            help="Pulumi's own CLI and plugins, or the ones built here; auto takes the official ones where they are",
        )
        sub.add_argument("--no-install", action="store_true", help="do not install anything with apt")
        return sub

    up_parser = add("up", up, "bring the stack up, with everything that it needs on this machine")
    up_parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="begin anew, empty, where data to keep vanished; or go back to older ones",
    )
    add("preview", preview, "show what `up` would change")
    outputs_parser = add("outputs", outputs, "print the stack's outputs")
    outputs_parser.add_argument("name", nargs="?", metavar="NAME", help="this one alone, as it is")
    outputs_parser.add_argument("--json", action="store_true", help="as one JSON object")
    outputs_parser.add_argument("--show-secrets", action="store_true", help="also the passwords")
    add("status", show_status, "show the health of every part; exit code 1 when one is not well")
    access_parser = add("access", access.show, "show who may do what, and through which group")
    access.add_options(access_parser)
    audit_parser = add("audit", audit.show, "show who did what, and who was refused, from all trails in one order")
    audit.add_options(audit_parser)
    destroy_parser = add("destroy", destroying.destroy, "take the stack down; its data stay, or go where you say so")
    destroying.add_options(destroy_parser)
    test_parser = add("test", tests.run, "run the tests; arguments that are not listed here go to pytest")
    tests.add_options(test_parser)
    copies.add_commands(add)
    add("env", env, 'print exports for the shell: eval "$(./platform env)" makes plain pulumi work')
    pulumi_parser = add("pulumi", pulumi, "run pulumi on the stack, e.g. ./platform pulumi stack graph")
    pulumi_parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="passed to pulumi as it is")

    options, unknown = parser.parse_known_args(arguments)
    if unknown and options.command is not tests.run:
        parser.error(f"unknown arguments: {' '.join(unknown)}")
    options.rest = [*options.rest, *unknown]
    return options


def _stack_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stack name: letters, digits, dot, dash, underscore")
    return text


def up(paths: Paths, options: argparse.Namespace) -> int:
    """Compares what was made with what is there before it makes the rest; ends with a look at what it promises."""
    started = time.monotonic()
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=True)
    state = stack.make_ready()
    if state.made:
        left = upgrade.left_stopped(paths, stack.name, state, things := inventory.things())
        mend.mend(stack, state, things, accept_loss=options.accept_loss, left=left)
    if not state.runs:
        plan = stack.plan()
        if not state.made:
            leftovers.refuse(paths, stack.name, plan, state.begun)
        ports.check_free(plan)
    images.remember(paths, stack.name, stack.environment[images.VARIABLE])
    with upgrade.around(paths, stack, state, accept_loss=options.accept_loss):
        stack.up()
        state = stack.state(secrets=True)
        probe.until_all_answer(stack.name, state)
    backups.bring(paths, stack, state)
    if trouble := served.until_issued(state):
        say(f" ! {trouble.message}")
    done(f"up after {duration(time.monotonic() - started)}")
    print(summary.of(stack.name, state.outputs, _unknown_names(state)))
    return 0


def _unknown_names(state: State) -> list[str]:
    """Of the sites, those that programs on this machine do not find, though they are names of this machine."""
    names = (urlsplit(url).hostname or "" for url in Doors(state).urls)
    return sorted({name for name in names if name.endswith(".localhost") and not _resolves(name)})


def _resolves(name: str) -> bool:
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):  # of what is no name at all
        return False


def preview(paths: Paths, options: argparse.Namespace) -> int:
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=False)
    stack.make_ready()
    return stack.run(["preview"])


def outputs(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=False)
    values = stack.outputs(secrets=options.show_secrets)
    if options.name:
        print(_only(options.name, values, json_text=options.json))
    elif options.json:
        print(json.dumps(values, indent=2))
    else:
        print(table([("OUTPUT", "VALUE"), *((name, _flat(value)) for name, value in sorted(values.items()))]))
    return 0


def _only(name: str, values: Mapping[str, Any], *, json_text: bool) -> str:
    """One output, for a file or a variable: not its place holder, where it is a secret that is not to be shown."""
    if name not in values:
        raise Failure(f"There is no output {name}; there are: {', '.join(sorted(values)) or 'none'}.")
    if values[name] == _HIDDEN:
        raise Failure(f"The output {name} is a secret; --show-secrets prints it.")
    return json.dumps(values[name], indent=2) if json_text else _flat(values[name]).rstrip("\n")


def _flat(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def show_status(paths: Paths, options: argparse.Namespace) -> int:
    state = _known(paths, options)
    found = status.parts(options.stack, state, inventory.things())
    if not found:
        raise Failure(f"Stack {options.stack} has no containers on this machine; ./platform up makes them.")
    if not state:
        say(f" ! this checkout has no state of stack {options.stack}; this is what Docker has under its name")
    print(table([("PART", "STATE", "HEALTH", "SINCE"), *((p.name, p.state, p.health, p.since) for p in found)]))
    if state and state.runs:
        print(f"\n{sizes.told(state)}")
    well = not state or all([_show_certificates(paths, state), _show_backups(state), _show_wrong(state)])
    return 0 if well and all(part.well for part in found) else 1


def _show_certificates(paths: Paths, state: State) -> bool:
    """Prints what the sites serve, where they have https here; whether all of it is well."""
    now = datetime.now(UTC)
    found = served.certificates(state, paths.python, now)
    if not found:
        return True
    trouble = served.trouble(state)
    rows = [(c.site, c.state, c.left(now), c.issuer, _first(c.names)) for c in found]
    print()
    print(table([("SITE", "CERTIFICATE", "LEFT", "ISSUER", "NAMES"), *rows]))
    for certificate in found:
        if certificate.wrong:
            say(f" ! {certificate.site} {certificate.wrong}")
    if trouble:
        say(f" ! {trouble.message}")
    return not (trouble and trouble.red) and not any(certificate.wrong for certificate in found)


def _show_backups(state: State) -> bool:
    """Prints how backups fare, where there are any; whether all of it is well."""
    if not (report := backups.report(state)):
        return True
    print()
    print(table([("BACKUP", ""), *report.rows]))
    for sentence in report.wrong:
        say(f" ! backup: {sentence}")
    return not report.wrong


def _show_wrong(state: State) -> bool:
    """Says which volume is full, and who does not get an answer; whether there is nothing of that."""
    if not state.runs:
        return True
    with ThreadPoolExecutor(2) as pool:
        found = [sentence for said in pool.map(lambda ask: ask(state), (disks.full, probe.wrong)) for sentence in said]
    for sentence in found:
        say(f" ! {sentence}")
    return not found


def _first(names: Sequence[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else "".join(names) or "-"


def _known(paths: Paths, options: argparse.Namespace) -> State | None:
    """The state, where there is one that names anything of Docker."""
    try:
        state = on_disk(paths.root, paths.own, options.stack)
    except LookupError:  # it is somewhere else, where only pulumi reads it
        only_work()
        stack = prepare.stack(paths, prepare.Request.of(options), images_too=False)
        try:
            state = stack.state()
        except Failure:  # there is no such stack, which is no reason to hide what Docker has
            return None
    return state if state and state.made else None


def env(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=True)
    stack.make_ready()
    variables = {**stack.environment, "PULUMI_STACK": stack.name}
    print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())))
    return 0


def pulumi(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    return prepare.stack(paths, prepare.Request.of(options), images_too=False).run(options.rest)
