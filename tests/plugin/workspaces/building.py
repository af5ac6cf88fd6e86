"""Three rooms, and people with rights of every kind in them."""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from tests.plugin.conftest import Server

ROOMS = ("vision", "nlp", "default")  # in the order in which one is taken
# A team each, and so the rights of its members; some people are in two.
TEAMS: dict[str, dict[str, str]] = {
    "admins": dict.fromkeys(ROOMS, "ADMIN"),
    "vision": {"vision": "MANAGE"},
    "nlp": {"nlp": "EDIT"},
    "readers": {"vision": "READ", "nlp": "READ"},
    "callers": {"nlp": "USE"},
    "old": {"default": "EDIT"},
}
PEOPLE: dict[str, tuple[str, ...]] = {
    **{team: (team,) for team in TEAMS},
    "between": ("nlp", "readers"),
    "everywhere": ("vision", "nlp", "old"),
    "nobody": (),
}
STRENGTH = ("READ", "USE", "EDIT", "MANAGE", "ADMIN")


def rights(person: str) -> dict[str, str]:
    """By room: the strongest level of the person's teams."""
    return strongest(TEAMS[team] for team in PEOPLE[person])


def strongest(teams: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """By room, of the levels of several teams."""
    found: dict[str, str] = {}
    for levels in teams:
        for room, level in levels.items():
            found[room] = max(level, found.get(room, level), key=STRENGTH.index)
    return found


class Building:
    """The server, asked by a person in a room. No dataclass: Hypothesis would print its tokens."""

    def __init__(self, server: Server, tokens: dict[str, str], environment: dict[str, str]):
        self.server, self.tokens, self.environment = server, tokens, environment

    def ask(self, person: str, room: str | None, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {} if room is None else {"X-MLFLOW-WORKSPACE": room}
        return self.server.ask(self.tokens[person], method, path, headers=headers, **options)

    def call(self, person: str, room: str | None, method: str, path: str, known: dict[str, Any]) -> httpx.Response:
        """With all of it where such a request has its parameters."""
        where = "params" if method == "GET" else "json"
        return self.ask(person, room, method, path, **{where: known})

    def done(self, person: str, room: str, path: str, *, method: str = "POST", **body: Any) -> Any:
        answer = self.ask(person, room, method, path, json=body)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()
