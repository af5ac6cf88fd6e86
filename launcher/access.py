"""`./platform access`: who may do what, and through which group.

As the running servers have it: people and groups are Keycloak's, the levels are in the file that MLflow's server has
read, and the policies are MinIO's. What the stack file says is not asked.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from launcher import prepare
from launcher.console import Failure, only_work, say, table
from launcher.minio import asking
from launcher.paths import Paths
from launcher.processes import answer
from launcher.realm import Group, Person, Realm
from launcher.state import State

_LEVELS = ("READ", "USE", "EDIT", "MANAGE", "ADMIN")  # weakest first
_ALLOWS = {"s3:GetObject": "read", "s3:PutObject": "write", "admin:*": "administer"}
_MLFLOW_FILE = ["sh", "-c", 'cat "$MLFLOW_PLATFORM_CONFIG"']
_POLICIES = asking("list-canned-policies")


@dataclass(frozen=True)
class Rights:
    """What teams may do in MLflow, and what policies let do in MinIO."""

    mlflow: Mapping[str, Any]  # the server's file
    policies: Mapping[str, Any]  # by name

    @classmethod
    def of(cls, state: State) -> "Rights":
        return cls(_asked(state, "mlflow", _MLFLOW_FILE), _asked(state, "minio-1", _POLICIES))

    @property
    def rooms(self) -> list[str]:
        return self.mlflow.get("workspaces") or ["default"]

    def levels(self, group: Group) -> dict[str, str]:
        """By room, the strongest; none by a team that MLflow does not know."""
        found: dict[str, str] = {}
        for team in group.teams:
            for room, level in self.mlflow["teams"].get(team, {}).get("levels", {}).items():
                found[room] = max(level, found.get(room, level), key=_LEVELS.index)
        return found

    def storage(self, group: Group) -> Iterator[tuple[str, str]]:
        """Places in MinIO, and what may be done there."""
        allowed: dict[str, set[str]] = {}
        for name in group.policies:
            for statement in self.policies.get(name, {}).get("Statement", []):
                if statement["Effect"] == "Allow":
                    for place in statement.get("Resource") or [""]:  # none: what is no object's, but the server's
                        allowed.setdefault(place.removeprefix("arn:aws:s3:::"), set()).update(_words(statement))
        yield from ((place, ", ".join(sorted(words))) for place, words in sorted(allowed.items()) if words)


def add_options(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("user", nargs="?", metavar="USER", help="a user name, an address or a service client")
    which.add_argument("--room", metavar="NAME", help="everybody who gets into this workspace")


def show(paths: Paths, options: argparse.Namespace) -> int:
    only_work()
    state = prepare.stack(paths, prepare.Request.of(options), images_too=False).state(secrets=True)
    realm, rights = Realm(state), Rights.of(state)
    if options.room:
        print(table([("WHO", "LEVEL", "THROUGH"), *_in_room(realm, rights, options.room)]))
        return 0
    people = realm.people(options.user)
    if not people:
        raise Failure(f"Keycloak knows nobody, and no service client, named {options.user!r}.")
    for person in people:
        _show_person(person, realm.groups_of(person), rights)
    return 0


def _show_person(person: Person, groups: Iterable[Group], rights: Rights) -> None:
    if not person.enabled:
        say(f" ! {person.name} is disabled in Keycloak, and gets in nowhere")
    of_teams = sorted((group for group in groups if group.teams or group.policies), key=lambda group: group.path)
    for group in of_teams:
        for team in sorted(group.teams - rights.mlflow["teams"].keys()):
            say(f" ! MLflow knows no team {team}, which {group.path} stands for")
    rows = [
        *((f"workspace {room}", level, g.path) for room in rights.rooms for g, level in _in(room, of_teams, rights)),
        *(
            (f"s3://{place}" if place else "MinIO", words, group.path)
            for group in of_teams
            for place, words in rights.storage(group)
        ),
    ]
    if rows:
        print(table([(person.name, "MAY", "THROUGH"), *rows]))
    else:
        print(f"{person.name} is in no team: neither MLflow nor MinIO lets {person.name} in.")


def _in_room(realm: Realm, rights: Rights, room: str) -> Iterator[tuple[str, str, str]]:
    """Each of its people with each group by which they are there, the strongest first."""
    if room not in rights.rooms:
        raise Failure(f"There is no workspace {room!r}; there are: {', '.join(rights.rooms)}.")
    for group, level in _in(room, realm.groups.values(), rights):
        for person in sorted(realm.members(group), key=lambda member: member.name):
            yield person.name if person.enabled else f"{person.name} (disabled)", level, group.path


def _in(room: str, groups: Iterable[Group], rights: Rights) -> list[tuple[Group, str]]:
    found = [(group, levels[room]) for group in groups if room in (levels := rights.levels(group))]
    return sorted(found, key=lambda pair: (-_LEVELS.index(pair[1]), pair[0].path))


def _words(statement: Mapping[str, Any]) -> set[str]:
    return {
        word
        for action in statement["Action"]
        for known, word in _ALLOWS.items()
        if action in (known, "*") or (action == "s3:*" and known.startswith("s3:"))
    }


def _asked(state: State, resource: str, command: list[str]) -> Any:
    server = state.container(resource)
    said = server and answer(["docker", "exec", server.id, *command])
    if not server or said is None:
        raise Failure(f"{server.name if server else resource} does not say who may do what; ./platform status.")
    return json.loads(said)
