"""Who may do what, put together from what Keycloak, MLflow and MinIO say."""

import json
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from components.policies import team_policy
from launcher import access, prepare
from launcher.cli import parse
from launcher.console import Failure
from launcher.paths import Paths
from launcher.realm import Realm
from launcher.state import State
from tests.launcher.deployment import container, urn

PASSWORD = "hunter2"
MLFLOW = {
    "workspaces": ["vision", "nlp"],
    "teams": {
        "vision": {"levels": {"vision": "MANAGE"}},
        "readers": {"levels": {"vision": "READ", "nlp": "READ"}},
    },
}
POLICIES = {
    "team-vision": json.loads(team_policy("mlflow", ["shared/"], ["workspaces/vision/"], 3600)),
    "consoleAdmin": {
        "Statement": [
            {"Effect": "Allow", "Action": ["admin:*"]},
            {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["arn:aws:s3:::*"]},
        ]
    },
}


def group(path: str, team: str | None = None, policy: str | None = None, below: int = 0) -> dict[str, Any]:
    said = {"mlflow-team": team, "policy": policy}
    attributes = {name: [value] for name, value in said.items() if value}
    return {
        "id": path.strip("/").replace("/", "-").replace(" & ", "-"),
        "path": path,
        "attributes": attributes,
        "subGroupCount": below,
    }


def person(name: str, enabled: bool = True) -> dict[str, Any]:
    return {"id": f"id-of-{name}", "username": name, "enabled": enabled}


class Keycloak:
    """Answers as its administrators' API does, in pages; `asked` is every path with its query."""

    def __init__(self) -> None:
        self.lists: dict[str, list[dict[str, Any]]] = {
            "groups": [group("/vision", "vision", "team-vision"), group("/of-ldap", below=1), group("/made-by-hand")],
            "groups/of-ldap/children": [group("/of-ldap/Forschung & Lehre", "readers", "readonly", below=1)],
            "groups/of-ldap-Forschung-Lehre/children": [group("/of-ldap/Forschung & Lehre/sub")],
            "groups/vision/members": [person("vera"), person("gone", enabled=False)],
            "groups/of-ldap-Forschung-Lehre-sub/members": [person("jürgen.müller@example.org")],
            "users/id-of-vera/groups": [
                group("/vision"),
                group("/of-ldap/Forschung & Lehre/sub"),
                group("/made-by-hand"),
            ],
            "users/id-of-gone/groups": [group("/vision")],
            "users/id-of-service-account-ci/groups": [group("/vision")],
            "users/id-of-lone/groups": [],
        }
        self.users = [person("vera"), person("gone", enabled=False), person("lone")]
        self.clients = [{"id": "c", "clientId": "ci", "serviceAccountsEnabled": True}]
        self.asked: list[str] = []
        self.status = 200

    def answer(self, path: str, query: Mapping[str, list[str]]) -> Any:
        self.asked.append(path)
        if path.endswith("/token"):
            return {"access_token": "t"}
        rest = path.removeprefix("/admin/realms/mlflow/")
        if rest == "clients/c/service-account-user":
            return person("service-account-ci")
        if rest == "users":
            found = [user for user in self.users if user["username"] == query.get("username", [""])[0]]
        elif rest == "clients":
            found = [client for client in self.clients if client["clientId"] == query["clientId"][0]]
        else:
            found = self.lists.get(rest, [])
        first, size = int(query["first"][0]), int(query["max"][0])
        return found[first : first + size]


@pytest.fixture
def realm() -> Iterator[tuple[Keycloak, State]]:
    keycloak = Keycloak()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            body = json.dumps(keycloak.answer(parts.path, parse_qs(parts.query))).encode()
            self.send_response(keycloak.status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield keycloak, state(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def state(url: str) -> State:
    provider = {"url": url, "username": "admin", "password": PASSWORD}
    return State(
        {
            "resources": [
                {"urn": urn("pulumi:providers:keycloak", "p"), "type": "pulumi:providers:keycloak", "inputs": provider},
                {"urn": urn("r", "p"), "type": "keycloak:index/realm:Realm", "inputs": {"realm": "mlflow"}},
                container("mlflow"),
                container("minio-1"),
            ]
        }
    )


@pytest.fixture
def show(
    realm: tuple[Keycloak, State],
    programs: Callable[[str, str], Path],
    paths: Paths,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., list[list[str]]]:
    """The command's table, by words; `said` below the folder is what the containers answer."""
    (tmp_path / "mlflow").write_text(json.dumps(MLFLOW))
    (tmp_path / "minio").write_text(json.dumps(POLICIES))
    programs(
        "docker",
        f"""echo "$@" >> {tmp_path}/calls
case "$2" in *mlflow) cat {tmp_path}/mlflow ;; *) cat {tmp_path}/minio ;; esac""",
    )

    class Stack:
        def state(self, *, secrets: bool) -> State:
            return realm[1]

    monkeypatch.setattr(prepare, "stack", lambda *_, **__: Stack())

    def run(*arguments: str) -> list[list[str]]:
        options = parse(["access", *arguments])
        assert options.command(paths, options) == 0
        said = capsys.readouterr()
        (tmp_path / "stderr").write_text(said.err)
        assert PASSWORD not in said.out + said.err + (tmp_path / "calls").read_text()
        return [[word.strip() for word in line.split("  ") if word.strip()] for line in said.out.splitlines()]

    return run


def test_a_person_has_what_each_group_gives_and_the_strongest_comes_first(show: Callable[..., list[list[str]]]):
    sub = "/of-ldap/Forschung & Lehre/sub"
    assert show("vera") == [
        ["vera", "MAY", "THROUGH"],
        ["workspace vision", "MANAGE", "/vision"],
        ["workspace vision", "READ", sub],  # by the group above it
        ["workspace nlp", "READ", sub],
        ["s3://mlflow/shared/*", "read", "/vision"],
        ["s3://mlflow/workspaces/vision/*", "read, write", "/vision"],
    ]


def test_a_service_client_is_found_by_its_name(show: Callable[..., list[list[str]]]):
    assert show("ci")[:2] == [["service-account-ci", "MAY", "THROUGH"], ["workspace vision", "MANAGE", "/vision"]]


def test_everybody_in_a_room_with_the_group_that_lets_them_in(show: Callable[..., list[list[str]]]):
    assert show("--room", "vision") == [
        ["WHO", "LEVEL", "THROUGH"],
        ["gone (disabled)", "MANAGE", "/vision"],
        ["vera", "MANAGE", "/vision"],
        ["jürgen.müller@example.org", "READ", "/of-ldap/Forschung & Lehre/sub"],
    ]


def test_who_is_in_no_team_and_who_is_disabled_is_told(show: Callable[..., list[list[str]]], tmp_path: Path):
    assert show("lone") == [["lone is in no team: neither MLflow nor MinIO lets lone in."]]
    show("gone")
    assert "gone is disabled in Keycloak" in (tmp_path / "stderr").read_text()


def test_a_group_below_a_team_has_the_rights_of_both(
    show: Callable[..., list[list[str]]], realm: tuple[Keycloak, State]
):
    realm[0].lists["groups"] = [group("/readers", "readers", below=1)]
    realm[0].lists["groups/readers/children"] = [group("/readers/vision", "vision")]
    realm[0].lists["users/id-of-lone/groups"] = [group("/readers/vision")]
    by = "/readers/vision"
    assert show("lone")[1:] == [["workspace vision", "MANAGE", by], ["workspace nlp", "READ", by]]


def test_a_team_that_the_running_server_does_not_know_is_named(
    show: Callable[..., list[list[str]]], realm: tuple[Keycloak, State], tmp_path: Path
):
    realm[0].lists["groups"].append(group("/new", "new"))
    realm[0].lists["users/id-of-lone/groups"] = [group("/new")]
    show("lone")
    assert "MLflow knows no team new, which /new stands for" in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nobody"], "Keycloak knows nobody, and no service client, named 'nobody'"),
        (["--room", "attic"], "no workspace 'attic'; there are: vision, nlp"),
    ],
)
def test_what_is_not_there_is_said(show: Callable[..., list[list[str]]], arguments: list[str], why: str):
    with pytest.raises(Failure, match=why):
        show(*arguments)


def test_hundreds_of_groups_and_members_come_in_pages(
    show: Callable[..., list[list[str]]], realm: tuple[Keycloak, State]
):
    many = [group(f"/g{number}", "readers") for number in range(450)]
    realm[0].lists["groups"] += many
    realm[0].lists["users/id-of-lone/groups"] = many
    realm[0].lists["groups/vision/members"] = [person(f"p{number:03}") for number in range(401)]
    assert sum(row[0] == "workspace nlp" for row in show("lone")) == 450
    assert sum(row[-1] == "/vision" for row in show("--room", "vision")) == 401


def test_a_keycloak_that_refuses_or_is_not_there_is_one_sentence_without_a_password(realm: tuple[Keycloak, State]):
    realm[0].status = 401
    with pytest.raises(Failure, match="answered 401") as refused:
        Realm(realm[1]).people("vera")
    assert PASSWORD not in repr(refused.value)
    with pytest.raises(Failure, match="does not answer"):
        Realm(state("http://127.0.0.1:9")).people("vera")
    with pytest.raises(Failure, match="no Keycloak"):
        Realm(State({"resources": []}))


def test_a_container_that_says_nothing_is_named(programs: Callable[[str, str], Path], realm: tuple[Keycloak, State]):
    programs("docker", "exit 1")
    with pytest.raises(Failure, match="p-mlflow does not say who may do what"):
        access.Rights.of(realm[1])


def test_an_administrator_of_minio_may_do_everything_there(programs: Callable[[str, str], Path]):
    rights = access.Rights(MLFLOW, POLICIES)
    found = access.Group("i", "/admins", policies=frozenset({"consoleAdmin"}))
    assert list(rights.storage(found)) == [("", "administer"), ("*", "read, write")]
