"""The realm as the running Keycloak has it: asked over its REST API for administrators, on the address of this machine.

By what the state says of the program's own provider. The API is Keycloak 26's
(https://www.keycloak.org/docs-api/latest/rest-api/): lists come in pages, and a list of people leaves out the
accounts of service clients.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import ProxyHandler, Request, build_opener

from launcher.console import Failure
from launcher.state import State, plain

_PROVIDER = "pulumi:providers:keycloak"
_REALM = "keycloak:index/realm:Realm"
_TEAM = "mlflow-team"
_POLICY = "policy"
_PAGE = 200
_OPENER = build_opener(ProxyHandler({}))  # it is on this machine, whatever the shell's proxies are


@dataclass(frozen=True)
class Group:
    """What its members' tokens say by it: its own words and those of the groups above, which Keycloak's mappers add."""

    id: str
    path: str
    teams: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Person:
    """Or a service client's account."""

    id: str
    name: str
    enabled: bool


class Realm:
    """Raises Failure where Keycloak does not answer."""

    def __init__(self, state: State) -> None:
        provider = _only(state, _PROVIDER)
        self._url: str = provider["url"]
        self._login = {"client_id": "admin-cli", "username": provider["username"], "password": provider["password"]}
        self._name: str = _only(state, _REALM)["realm"]

    def people(self, name: str) -> list[Person]:
        """Whoever has this user name, or this address; else the account of the service client with this name."""
        for field in ("username", "email"):
            if found := self._pages("users", {field: name, "exact": "true"}):
                return [_person(one) for one in found]
        clients = self._pages("clients", {"clientId": name})
        found = [client for client in clients if client.get("serviceAccountsEnabled")]
        return [_person(self._get(f"clients/{client['id']}/service-account-user")) for client in found]

    @cached_property
    def groups(self) -> dict[str, Group]:
        """By their ids."""
        return {group.id: group for group in self._below("groups", None)}

    def groups_of(self, person: Person) -> list[Group]:
        return [self.groups[one["id"]] for one in self._pages(f"users/{person.id}/groups")]

    def members(self, group: Group) -> list[Person]:
        return [_person(one) for one in self._pages(f"groups/{group.id}/members")]

    def _below(self, path: str, above: Group | None) -> Iterator[Group]:
        for one in self._pages(path, {"briefRepresentation": "false"}):
            said = one.get("attributes") or {}
            teams, policies = (frozenset(said.get(name) or ()) for name in (_TEAM, _POLICY))
            if above:
                teams, policies = teams | above.teams, policies | above.policies
            group = Group(one["id"], one["path"], teams, policies)
            yield group
            if one.get("subGroupCount"):
                yield from self._below(f"groups/{group.id}/children", group)

    def _pages(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := self._get(path, {**(query or {}), "first": str(len(found)), "max": str(_PAGE)}):
            found += page
            if len(page) < _PAGE:
                break
        return found

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        url = f"{self._url}/admin/realms/{quote(self._name, safe='')}/{path}?{urlencode(query or {})}"
        return self._ask(Request(url, headers={"Authorization": f"Bearer {self._token}"}))

    @cached_property
    def _token(self) -> str:
        body = urlencode({**self._login, "grant_type": "password"}).encode()
        return self._ask(Request(f"{self._url}/realms/master/protocol/openid-connect/token", body))["access_token"]

    def _ask(self, request: Request) -> Any:
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as refused:
            raise Failure(f"Keycloak at {self._url} answered {refused.code}.") from None
        except (URLError, OSError, ValueError):
            raise Failure(f"Keycloak at {self._url} does not answer; ./platform status says how it is.") from None


def _only(state: State, kind: str) -> dict[str, Any]:
    found = next((resource["inputs"] for resource in state.resources if resource["type"] == kind), None)
    if found is None:
        raise Failure("This stack has no Keycloak; ./platform up makes it.")
    return plain(found)


def _person(one: Mapping[str, Any]) -> Person:
    return Person(one["id"], one["username"], bool(one.get("enabled")))
