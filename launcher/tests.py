"""`./platform test`: pytest with everything that the tests need on this machine.

The whole suite runs as two pytests side by side. Tests that make containers wait for them most of the time, while the
others compute. All that make some are in the same one: a browser gives up what it is loading when a network comes or
goes on its machine. Not by pytest-xdist: where that is interrupted it gives its workers seconds to
end, and a stack of containers needs a minute to go.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from launcher import browser, prepare, venv
from launcher.console import say, step
from launcher.paths import Paths

_NOTHING_TO_RUN = 5  # of pytest


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also the tests that take minutes")


def run(paths: Paths, options: argparse.Namespace) -> int:
    stack = prepare.stack(paths, prepare.Request.of(options), images_too=True)
    venv.fill(paths, "test")
    venv.add_client(paths)
    browser.ensure(paths, install=not options.no_install)
    # Tests make stacks of their own; the state of this checkout's is none of their business.
    environment = {name: value for name, value in stack.environment.items() if not name.startswith("PULUMI_BACKEND")}
    environment = {**os.environ, **environment}
    os.chdir(paths.root)
    pytest, chosen = [str(paths.python), "-m", "pytest"], [] if options.all else ["not slow"]
    if options.rest:  # the caller's own choice, and own files for what is found
        say("   pytest")
        os.execve(paths.python, [*pytest, *_marked(chosen), *options.rest], environment)
    return side_by_side(
        [*pytest, *_marked([*chosen, "containers"])],
        [*pytest, *_marked([*chosen, "not containers"])],
        paths.logs / "tests-without-containers.log",
        environment,
    )


def _marked(chosen: Sequence[str]) -> list[str]:
    return ["-m", " and ".join(chosen)] if chosen else []


def side_by_side(shown: Sequence[str], beside: Sequence[str], log: Path, environment: dict[str, str]) -> int:
    """Runs both to their ends, the second one's words coming after those of the first; zero where both are well.

    Whoever is interrupted waits for both, which clean up after themselves.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"   {shlex.join(shown[1:])}\n   {shlex.join(beside[1:])} > {log}")
    with log.open("wb") as output:
        running = [
            subprocess.Popen(beside, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment),
            subprocess.Popen(shown, stdin=subprocess.DEVNULL, env=environment),
        ]

        def passed_on(number: int, _: object) -> None:
            for process in running:
                process.send_signal(signal.SIGTERM)

        before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, passed_on),
            signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),  # the terminal sends Ctrl-C to all of them
        }
        try:
            codes = [running[1].wait()]
            with step("the tests that make no containers"):
                codes.append(running[0].wait())
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    sys.stdout.buffer.write(log.read_bytes())
    sys.stdout.flush()
    failed = [code for code in codes if code not in (0, _NOTHING_TO_RUN)]
    return next(iter(failed), min(codes))
