"""Who did what, as each server wrote it down: read from the containers' logs, and from Keycloak's own record of events.

Every line of a log carries the moment at which Docker read it, so that the lines of several containers have one order.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from launcher.console import Failure
from launcher.realm import Realm
from launcher.state import State

# As components/gateway.py has them written.
_REQUEST = re.compile(
    r"(?P<address>\S+) \[\S+\] (?P<what>[A-Z]+ .+) (?P<status>\d{3}) \d+ [\d.]+ .*"
    r" (?P<key>\S+) (?P<user>\S+) (?P<room>\S+)"
)
_ABOUT_REQUESTS = ("method", "path")
_ASIDE = ("time", "event", "user", "client", "address", "workspace", "access_key", "expiration", *_ABOUT_REQUESTS)


@dataclass(frozen=True, order=True)
class Event:
    """One thing that somebody did; "" is what the trail does not say."""

    at: datetime
    trail: str
    user: str
    address: str
    what: str
    outcome: str = ""
    room: str = ""


def events(state: State, realm: Realm, since: datetime) -> list[Event]:
    """All of them since then, in order. Raises Failure where a trail cannot be read."""
    said = list(_of_mlflow(_log(state, "mlflow", since)))
    # Credentials were given out before they are used, perhaps before what is asked for.
    owners = dict(_owners(_log(state, "mlflow", None)))
    return sorted([*said, *_of_gateway(_log(state, "gateway", since), owners), *_of_keycloak(realm, since)])


def _of_mlflow(lines: Iterable[tuple[datetime, str]]) -> Iterator[Event]:
    """Logins, refusals, credentials, what left for good; requests that were let through are the gateway's to tell."""
    for at, said in _objects(lines):
        what = " ".join([said["event"], *(said[name] for name in _ABOUT_REQUESTS if name in said)])
        rest = ", ".join(f"{name} {value}" for name, value in said.items() if name not in _ASIDE and value is not None)
        yield Event(at, "MLflow", said.get("user") or "", said.get("address") or "", what, rest)


def _owners(lines: Iterable[tuple[datetime, str]]) -> Iterator[tuple[str, str]]:
    """Whose S3 credentials are whose, by the names that requests are signed with."""
    for _, said in _objects(lines):
        if said["event"] == "credentials":
            yield said["access_key"], said["user"]


def _objects(lines: Iterable[tuple[datetime, str]]) -> Iterator[tuple[datetime, dict[str, Any]]]:
    for at, line in lines:
        if line.startswith("{"):
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict) and isinstance(said.get("event"), str):
                yield at, said


def _of_gateway(lines: Iterable[tuple[datetime, str]], owners: dict[str, str]) -> Iterator[Event]:
    """Requests of somebody who is known: MLflow's by what it says itself, S3's by whose credentials they name."""
    for at, line in lines:
        found = _REQUEST.fullmatch(line)
        if not found:
            continue
        key, user, room = found["key"], found["user"], found["room"]
        if user != "-":
            yield Event(at, "MLflow", unquote(user), found["address"], found["what"], found["status"], unquote(room))
        elif key != "-":
            # A name alone proves nothing: what is not signed by its owner is answered with 403.
            who = owners.get(key, f"access key {key}")
            yield Event(at, "S3", who, found["address"], found["what"], found["status"])


def _of_keycloak(realm: Realm, since: datetime) -> Iterator[Event]:
    for said in realm.events(since):
        user = (said.get("details") or {}).get("username") or ""
        yield Event(_at(said), "Keycloak", user, said.get("ipAddress") or "", said["type"], said.get("error") or "")
    for said in realm.administrators_events(since):
        by = said.get("authDetails") or {}
        what = f"{said['operationType']} {said.get('resourcePath') or said.get('resourceType') or ''}"
        yield Event(_at(said), "Keycloak", "administrator", by.get("ipAddress") or "", what, said.get("error") or "")


def _at(said: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(said["time"] / 1000, UTC)


def _log(state: State, resource: str, since: datetime | None) -> Iterator[tuple[datetime, str]]:
    """The lines with their moments: both streams, which Docker keeps apart."""
    made = state.container(resource)
    if not made:
        raise Failure(f"This stack has no {resource}; ./platform up makes it.")
    begin = ["--since", since.isoformat()] if since else []
    command = ["docker", "logs", "--timestamps", *begin, made.id]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as logs:
        assert logs.stdout
        for line in logs.stdout:
            stamp, _, text = line.rstrip("\n").partition(" ")
            try:
                at = datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00")
            except ValueError:
                continue
            yield at, text
    if logs.returncode:
        raise Failure(f"Docker does not give the log of {made.name}; ./platform status says how it is.")
