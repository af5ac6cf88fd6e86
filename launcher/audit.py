"""`./platform audit`: who logged in, who read or changed what, and who was refused, in one order.

What the administrators' page shows, by the same program in MLflow's container, for whoever administers the machine.
"""

import argparse
import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from launcher import prepare
from launcher.console import Failure, only_work, table
from launcher.copies import moment
from launcher.paths import Paths
from launcher.state import State

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_PROGRAM = ("python", "-m", "mlflow_platform.server.trail")
_COLUMNS = ("trail", "user", "address", "what", "outcome", "room")
_MICROSECONDS = 1_000_000


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", metavar="NAME", help="what this one did")
    parser.add_argument(
        "--since", type=since, default="1d", metavar="TIME", help="30m, 12h, 7d, or 2026-05-01 14:03:20 (UTC); else 1d"
    )
    parser.add_argument("--room", metavar="NAME", help="what was done in this workspace, as far as a trail says where")


def since(text: str) -> datetime:
    """A moment, or how long ago one was.

    >>> since("1970-01-01 00:01:00").isoformat()
    '1970-01-01T00:01:00+00:00'
    """
    if ago := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return datetime.fromtimestamp(moment(text), UTC)


def show(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    state = prepare.stack(paths, prepare.Request.of(options), images_too=False).state()
    found = _events(state, _asked(options))
    print(table([("TIME (UTC)", "TRAIL", "WHO", "FROM", "WHAT", "OUTCOME", "WORKSPACE"), *_rows(found)]))
    return 0


def _asked(options: argparse.Namespace) -> Iterator[str]:
    yield str(max(0, int(options.since.timestamp() * _MICROSECONDS)))
    for name in ("user", "room"):
        if (value := getattr(options, name)) is not None:
            yield f"--{name}={value}"


def _events(state: State, asked: Iterator[str]) -> list[dict[str, Any]]:
    """Oldest first."""
    mlflow = state.container("mlflow")
    if not mlflow:
        raise Failure("This stack has no MLflow; ./platform up makes it.")
    command = ["docker", "exec", mlflow.id, *_PROGRAM, *asked]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        reason = said.stderr.strip().rpartition("\n")[2]
        raise Failure(
            f"{mlflow.name} does not say what happened ({reason}); ./platform status says how it is, and the logs of "
            "MLflow and the gateway have every request (docker logs)."
        )
    return [json.loads(line) for line in reversed(said.stdout.splitlines())]


def _rows(found: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for event in found:
        at = datetime.fromtimestamp(event["at"] / _MICROSECONDS, UTC)
        yield f"{at:%Y-%m-%d %H:%M:%S}", *(_printable(event[name]) or "-" for name in _COLUMNS)


def _printable(text: str) -> str:
    """A name or path is somebody else's words: none of them moves the cursor of whoever reads it here."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
