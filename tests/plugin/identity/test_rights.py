"""What each team may do, as the running server decides it, and how its tables follow the tokens."""

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow.server.auth.db.models import SqlRole, SqlUser
from mlflow.server.auth.db.utils import migrate_if_needed
from mlflow_platform.server.credentials.endpoints import SESSION
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.rights import Rights
from mlflow_platform.server.settings import DEFAULT_WORKSPACE, Level, Team
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from tests.plugin.conftest import TEAMS, Server
from tests.plugin.no_network import SETTINGS as OFFLINE

WHO = "/api/2.0/mlflow/users/current"
CREATE = "/api/2.0/mlflow/experiments/create"
GRAPHQL = 'query x { mlflowGetExperiment(input: {experimentId: "0"}) { experiment { name } } }'
READING_POSTS = {
    "/api/2.0/mlflow/experiments/search": {"max_results": 5},
    "/api/2.0/mlflow/runs/search": {"experiment_ids": ["0"]},
    "/api/2.0/mlflow/logged-models/search": {"experiment_ids": ["0"]},
    "/api/2.0/mlflow/registered-models/get-latest-versions": {"name": "shared-model"},
    "/api/3.0/mlflow/traces/search": {
        "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]
    },
    "/ajax-api/2.0/mlflow/experiments/search-datasets": {"experiment_ids": ["0"]},
    "/api/3.0/mlflow/datasets/search": {"experiment_ids": ["0"]},
    "/api/3.0/mlflow/issues/search": {"experiment_id": "0"},
    "/graphql": {"operationName": "x", "query": GRAPHQL},
    "/ajax-api/3.0/jobs/search": {},
}


@pytest.fixture(scope="module")
def run_id(server: Server) -> str:
    """A run and a registered model that an editor left for others to read."""
    server.as_member("editors", "POST", "/api/2.0/mlflow/registered-models/create", json={"name": "shared-model"})
    answer = server.as_member("editors", "POST", "/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
    return answer.json()["run"]["info"]["run_id"]


def test_a_reader_changes_nothing_on_any_route(server: Server, routes: list[tuple[str, str]]) -> None:
    token = server.realm.token("reader-of-all", ("viewers",))
    versionless = {path.split("/mlflow/")[-1] for path in READING_POSTS}
    reading = {"prompt-optimization/jobs/search", "traces/batchGetInfos", "traces/metrics", SESSION} | versionless
    reading.add("traces/calculate-filter-correlation")
    for method, path in routes:
        if method in ("GET", "HEAD", "OPTIONS") or path.split("/mlflow/")[-1] in reading:
            continue
        answer = server.ask(token, method, path, json={})
        assert answer.status_code == 403, (method, path)
        assert answer.json()["error_code"] == "PERMISSION_DENIED", (method, path)


@pytest.mark.parametrize("path", READING_POSTS)
def test_a_reader_searches_everything(server: Server, run_id: str, path: str) -> None:
    answer = server.as_member("viewers", "POST", path, json=READING_POSTS[path])
    assert answer.status_code == 200, answer.text
    assert not answer.json().get("errors")


def test_a_reader_reads_what_an_editor_wrote(server: Server, run_id: str) -> None:
    for path in (
        f"/api/2.0/mlflow/runs/get?run_id={run_id}",
        "/api/2.0/mlflow/experiments/get?experiment_id=0",
        "/api/2.0/mlflow/registered-models/get?name=shared-model",
        "/api/2.0/mlflow/registered-models/search",
        "/",
    ):
        assert server.as_member("viewers", "GET", path).status_code == 200, path
    found = server.as_member("viewers", "POST", "/api/2.0/mlflow/runs/search", json={"experiment_ids": ["0"]})
    assert run_id in found.text


def test_a_reader_calls_no_model(server: Server) -> None:
    for method, path in (("GET", "/ajax-api/2.0/mlflow/gateway-proxy"), ("POST", "/gateway/x/mlflow/invocations")):
        assert server.as_member("viewers", method, path, json={}).status_code == 403


def test_a_user_of_models_still_writes_nothing(server: Server) -> None:
    assert server.as_member("users", "POST", CREATE, json={"name": "of-users"}).status_code == 403
    assert server.as_member("users", "GET", "/gateway/mlflow/v1/models").status_code == 200


def test_an_editor_creates_and_logs(server: Server, run_id: str) -> None:
    created = server.as_member("editors", "POST", CREATE, json={"name": "by-an-editor"})
    assert created.status_code == 200
    metric = {"run_id": run_id, "key": "loss", "value": 1, "timestamp": 1}
    assert server.as_member("editors", "POST", "/api/2.0/mlflow/runs/log-metric", json=metric).status_code == 200


def test_an_editor_does_not_delete_what_others_made_and_a_manager_does(server: Server) -> None:
    made = server.realm.token("somebody-else", ("editors",))
    experiment = server.ask(made, "POST", CREATE, json={"name": "to-be-deleted"}).json()["experiment_id"]
    delete = {"json": {"experiment_id": experiment}}
    assert server.as_member("editors", "POST", "/api/2.0/mlflow/experiments/delete", **delete).status_code == 403
    assert server.as_member("managers", "POST", "/api/2.0/mlflow/experiments/delete", **delete).status_code == 200


def test_what_one_created_as_an_editor_is_only_read_as_a_reader(server: Server) -> None:
    before, after = (server.realm.token("demoted", (team,), jti=team) for team in ("editors", "viewers"))
    experiment = server.ask(before, "POST", CREATE, json={"name": "of-the-demoted"}).json()["experiment_id"]
    update = {"experiment_id": experiment, "new_name": "still-mine"}
    assert server.ask(after, "POST", "/api/2.0/mlflow/experiments/update", json=update).status_code == 403
    assert server.ask(after, "GET", f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}").status_code == 200


@pytest.mark.parametrize("team", TEAMS)
def test_nobody_manages_users_or_rights_here(server: Server, routes: list[tuple[str, str]], team: str) -> None:
    closed = [
        (m, p)
        for m, p in routes
        if ("/mlflow/users/" in p or "/mlflow/roles/" in p) and m not in ("GET", "HEAD", "OPTIONS")
    ]
    assert len(closed) > 25
    for method, path in [*closed, ("GET", "/signup"), ("POST", "/api//2.0/mlflow//users/create")]:
        assert server.as_member(team, method, path, json={}).status_code == 403, (method, path)


@pytest.mark.parametrize("team", TEAMS)
def test_nobody_reaches_the_assistant(server: Server, routes: list[tuple[str, str]], team: str) -> None:
    for method, path in [(method, path) for method, path in routes if "/assistant" in path]:
        assert server.as_member(team, method, path).status_code == 403, (method, path)


def test_the_admin_flag_follows_the_groups(server: Server) -> None:
    now = int(time.time())
    tokens = [server.realm.token("promoted", (t,), iat=now + i) for i, t in enumerate(("editors", "admins", "viewers"))]
    flags = [server.ask(token, "GET", WHO).json()["user"]["is_admin"] for token in tokens]
    assert flags == [False, True, False]


def test_leaving_every_team_takes_effect_with_the_next_token(server: Server) -> None:
    assert server.ask(server.realm.token("leaver", ("editors",)), "GET", WHO).status_code == 200
    assert server.ask(server.realm.token("leaver", ()), "GET", WHO).status_code == 403
    assert "leaver" not in roles_held(server, "team:editors")


def roles_held(server: Server, role: str) -> str:
    users = server.as_member("admins", "GET", "/api/2.0/mlflow/users/list").json()["users"]
    return " ".join(user["username"] for user in users if role in [held["name"] for held in user["roles"]])


def test_the_highest_of_several_teams_counts(server: Server) -> None:
    token = server.realm.token("of-both", ("viewers", "editors"))
    assert server.ask(token, "POST", CREATE, json={"name": "of-both"}).status_code == 200


def test_a_member_of_hundreds_of_groups_gets_in(server: Server) -> None:
    token = server.realm.token("of-many", (*(f"some-department-group-{i}" for i in range(500)), "editors"))
    assert server.ask(token, "GET", WHO).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "o'hara",
        'the "boss"',
        "a/b/../c",
        "domain\\user",
        "团队",
        "ünïcödé",
        "__user_1__",
        "team:admins",
        "a b",
        "%2e%2e",
        "{x}",
        "';--",
        "x" * 255,
        "None",
        "admin",
    ],
)
def test_a_user_is_who_the_token_says_whatever_the_name(server: Server, name: str) -> None:
    token = server.realm.token(name)
    assert server.ask(token, "GET", WHO).json()["user"]["username"] == name
    created = server.ask(token, "POST", CREATE, json={"name": f"of {name}"})
    assert created.status_code == 200
    assert server.ask(token, "GET", "/gateway/mlflow/v1/models").status_code == 200
    assert server.ask(server.realm.token("not-" + name[:200], ("viewers",)), "GET", WHO).status_code == 200


def test_many_first_requests_at_once_make_one_user(server: Server) -> None:
    tokens = [server.realm.token("hurried", ("editors", "viewers"), jti=str(i)) for i in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda token: server.ask(token, "GET", WHO), tokens))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["user"]["id"] for answer in answers}) == 1


# The tables alone, without a server between.


@pytest.fixture
def database(tmp_path: Path) -> str:
    uri = f"sqlite:///{tmp_path}/auth.db"
    engine = create_engine(uri)
    migrate_if_needed(engine, "head")
    engine.dispose()
    return uri


LEVELS = {"admins": Level.ADMIN, "editors": Level.EDIT, "viewers": Level.READ}
SETTINGS = OFFLINE.model_copy(
    update={"teams": {team: Team(levels={DEFAULT_WORKSPACE: level}) for team, level in LEVELS.items()}}
)


def identity(*teams: str, issued_at: int = 100, username: str = "ada") -> Identity:
    levels = SETTINGS.levels(teams)
    return Identity(username, frozenset(teams), levels, "mlflow-client", True, issued_at, issued_at + 300)


def bring_in_step(uri: str, *identities: Identity) -> None:
    engine = create_engine(uri)
    for who in identities:
        Rights(engine, SETTINGS).bring_in_step(who)
    engine.dispose()


def held(uri: str) -> dict[str, Any]:
    with Session(create_engine(uri)) as session:
        return {
            str(user.username): (bool(user.is_admin), sorted(a.role.name for a in user.user_role_assignments))
            for user in session.scalars(select(SqlUser))
        }


def test_an_older_token_brings_no_rights_back(database: str) -> None:
    bring_in_step(database, identity("viewers", issued_at=200), identity("admins", "editors", issued_at=100))
    assert held(database) == {"ada": (False, ["team:viewers"])}


def test_a_stranger_leaves_no_row(database: str) -> None:
    bring_in_step(database, identity())
    assert held(database) == {}


def test_roles_that_are_not_ours_stay(database: str) -> None:
    bring_in_step(database, identity("editors"))
    with Session(create_engine(database)) as session, session.begin():
        user = session.scalars(select(SqlUser)).one()
        role = SqlRole(name="__user_1__", workspace="default")
        session.add(role)
        session.flush()
        session.add(type(user.user_role_assignments[0])(user_id=user.id, role_id=role.id))
    bring_in_step(database, identity(issued_at=101))
    assert held(database) == {"ada": (False, ["__user_1__"])}


def test_a_changed_level_of_a_team_reaches_its_role(database: str) -> None:
    bring_in_step(database, identity("editors"))
    engine = create_engine(database)
    changed = SETTINGS.model_copy(update={"teams": {"editors": Team(levels={DEFAULT_WORKSPACE: Level.MANAGE})}})
    Rights(engine, changed).bring_in_step(identity("editors", issued_at=101))
    with Session(engine) as session:
        role = session.scalars(select(SqlRole)).one()
        assert {(p.resource_pattern, p.permission) for p in role.permissions} == {("*", "MANAGE")}
        assert "workspace" not in {p.resource_type for p in role.permissions}


def test_each_workspace_has_roles_of_its_own_and_who_leaves_one_stays_in_the_other(database: str) -> None:
    rooms = SETTINGS.model_copy(
        update={
            "workspaces": ("vision", "nlp", DEFAULT_WORKSPACE),
            "teams": {
                "both": Team(levels={"vision": Level.EDIT, "nlp": Level.READ}),
                "nlp": Team(levels={"nlp": Level.MANAGE}),
            },
        }
    )
    engine = create_engine(database)
    for teams, issued_at in ((("both", "nlp"), 100), (("nlp",), 101)):
        levels = rooms.levels(teams)
        who = Identity("ada", frozenset(teams), levels, "mlflow-client", True, issued_at, issued_at + 300)
        Rights(engine, rooms).bring_in_step(who)
        with Session(engine) as session:
            user = session.scalars(select(SqlUser)).one()
            roles = {(held.role.workspace, held.role.name) for held in user.user_role_assignments}
            in_vision = session.scalars(select(SqlRole).where(SqlRole.workspace == "vision")).one()
            creating = {p.permission for p in in_vision.permissions if p.resource_type == "workspace"}
        if issued_at == 100:
            assert roles == {("vision", "team:both"), ("nlp", "team:both"), ("nlp", "team:nlp")}
            assert levels == {"vision": Level.EDIT, "nlp": Level.MANAGE}
        else:
            assert roles == {("nlp", "team:nlp")}
        assert creating == {"USE"}  # and never MANAGE, by which roles are handed out
    assert Rights(engine, rooms).identity("ada").levels == {"nlp": Level.MANAGE}


def test_a_user_has_no_password(database: str) -> None:
    bring_in_step(database, identity("editors"))
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(database)
    for password in ("", "!", "!100", "100", "password1234"):
        assert not store.authenticate_user("ada", password)


def test_several_processes_write_the_same_user_and_role_at_once(database: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        writers = [(database, *(identity("editors", "viewers", issued_at=100 + i) for i in range(5)))] * 8
        pool.starmap(bring_in_step, writers)
    assert held(database) == {"ada": (False, ["team:editors", "team:viewers"])}
