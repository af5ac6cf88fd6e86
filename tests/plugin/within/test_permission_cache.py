"""Kept permissions: nobody waits for what was written, in this worker or another."""

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow_platform.server.kept import LONGEST, MOST, PERMISSIONS, Kept, make_stamps
from mlflow_platform.server.within.permission_cache import PermissionCache, keep_found
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from tests.plugin.conftest import Server

CREATE, UPDATE, SEARCH = (f"/api/2.0/mlflow/experiments/{verb}" for verb in ("create", "update", "search"))
METRIC = "/api/2.0/mlflow/runs/log-metric"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Reader:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> int:
        self.asked += 1
        return self.asked


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    return Path(make_stamps(tmp_path))


def cached(stamps: Path, engine: Engine, **options: Any) -> PermissionCache:
    return PermissionCache(Kept(stamps, PERMISSIONS, **options), engine)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path}/auth.db")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE roles (name TEXT)"))
        connection.execute(text("CREATE TABLE mlflow_platform_sessions (name TEXT)"))
    return engine


def test_an_answer_is_kept_for_a_moment(stamps: Path, engine: Engine) -> None:
    clock, read = Clock(), Reader()
    cache = cached(stamps, engine, clock=clock)
    assert [cache.answer("ada", read), cache.answer("ada", read)] == [1, 1]
    assert cache.answer("eve", read) == 2
    clock.now += LONGEST
    assert cache.answer("ada", read) == 3


@pytest.mark.parametrize(
    "write", ["INSERT INTO roles VALUES ('x')", "DELETE FROM roles", "UPDATE roles SET name = 'y'"]
)
def test_a_write_in_one_worker_is_seen_in_all(stamps: Path, engine: Engine, write: str) -> None:
    here, there = cached(stamps, engine), cached(stamps, create_engine("sqlite://"))
    read = Reader()
    assert (here.answer("ada", read), there.answer("ada", read)) == (1, 2)
    with Session(engine) as session, session.begin():
        session.execute(text(write))
        assert there.answer("ada", read) == 2  # before the commit there is nothing new to read
    assert (here.answer("ada", read), there.answer("ada", read)) == (3, 4)


def test_our_own_tables_and_reads_change_nothing(stamps: Path, engine: Engine) -> None:
    cache, read = cached(stamps, engine), Reader()
    assert cache.answer("ada", read) == 1
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO mlflow_platform_sessions VALUES ('x')"))
        connection.execute(text("SELECT * FROM roles"))
    assert cache.answer("ada", read) == 1


def test_an_error_is_not_kept(stamps: Path, engine: Engine) -> None:
    def fails() -> None:
        raise ValueError

    cache = cached(stamps, engine)
    with pytest.raises(ValueError):
        cache.answer("ada", fails)
    assert cache.answer("ada", Reader()) == 1


def test_it_does_not_grow_for_ever(stamps: Path) -> None:
    kept = Kept(stamps, PERMISSIONS)
    for number in range(2 * MOST + 1):
        kept.answer(number, Reader())
    assert len(kept._answers) <= MOST


def test_a_runs_experiment_is_read_once_and_a_missing_run_looked_for_again() -> None:
    runs: dict[str, str] = {}
    asked: list[str] = []

    def requirement(run_id: str, action: str) -> tuple[str, list[str]] | None:
        asked.append(run_id)
        return (runs[run_id], [action]) if run_id in runs else None

    kept = keep_found(requirement)
    assert kept("a", "update") is None
    runs["a"] = "experiment"
    for _ in range(2):
        found = kept("a", "update")
        assert found and found == ("experiment", ["update"])
        found[1].append("more")  # a caller's own list
    assert kept("a", "delete") == ("experiment", ["delete"])
    assert asked == ["a"] * 3


def test_a_known_run_is_no_ones_who_may_not_write(server: Server) -> None:
    made = server.as_member("editors", "POST", "/api/2.0/mlflow/runs/create", json={"experiment_id": "0"})
    metric = {"run_id": made.json()["run"]["info"]["run_id"], "key": "loss", "value": 1, "timestamp": 1}
    now = int(time.time())
    old, new = (server.realm.token("writes-no-more", (t,), iat=now + i) for i, t in enumerate(("editors", "viewers")))
    assert {again(server, old, METRIC, metric) for _ in range(4)} == {200}
    assert again(server, new, METRIC, metric) == 403
    again(server, new, SEARCH, {"max_results": 1})
    assert {again(server, old, METRIC, metric) for _ in range(4)} == {403}
    assert again(server, server.realm.token(), METRIC, {**metric, "run_id": "0" * 32}) == 403


def test_an_older_token_loses_what_a_newer_one_took_in_every_worker_at_once(server: Server) -> None:
    made = server.as_member("editors", "POST", CREATE, json={"name": "kept-permissions"}).json()
    now = int(time.time())
    for number in range(4):
        user = f"demoted-{number}"
        old = server.realm.token(user, ("editors",), iat=now)
        new = server.realm.token(user, ("viewers",), iat=now + 1)
        update = {"experiment_id": made["experiment_id"], "new_name": f"kept-permissions-{number}"}
        assert {again(server, old, UPDATE, update) for _ in range(4)} == {200}
        assert again(server, new, SEARCH, {"max_results": 1}) == 200
        assert {again(server, old, UPDATE, update) for _ in range(8)} == {403}


def again(server: Server, token: str, path: str, body: dict[str, Any]) -> int:
    """The status, by a connection of its own, which either worker may take."""
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    return server.http.post(path, headers=headers, json=body).status_code


def test_a_new_tokens_rights_count_at_once_in_every_worker(server: Server) -> None:
    who = "/api/2.0/mlflow/users/current"
    for number in range(4):
        for team, admin in (("admins", True), ("editors", False)):
            token = server.realm.token("up-and-down", (team,), jti=f"{team}-{number}")
            flags = {server.ask(token, "GET", who).json()["user"]["is_admin"] for _ in range(4)}
            assert flags == {admin}
