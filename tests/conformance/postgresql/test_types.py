"""Each type's life, its ids, and what the official plugin makes of it."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from offline.providers.postgresql import PROVIDER

from ..harness import Case, Plugin, live
from .server import DATABASE, GRANT, ROLE, behind, connected


def test_a_roles_life(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE ROLE team")
    base = {"name": "life", "login": True, "password": "first"}
    live(
        plugin,
        Case(
            ROLE,
            {**base, "roles": ["team"], "searchPaths": ["a b", "public"], "statementTimeout": 5000},
            update={**base, "password": "second", "createDatabase": True, "connectionLimit": 3, "assumeRole": "team"},
            drift=behind(sql, "ALTER ROLE life NOLOGIN CONNECTION LIMIT 9 PASSWORD 'stolen'"),
            drifted={"login", "connectionLimit", "password"},
            vanish=behind(sql, "DROP ROLE life"),
            unimportable={"password"},
        ),
    )


def test_a_databases_life(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE ROLE keeper")
    base = {"name": "life", "owner": "keeper"}
    live(
        plugin,
        Case(
            DATABASE,
            base,
            update={**base, "owner": "postgres", "connectionLimit": 7, "isTemplate": True},
            replace={**base, "encoding": "LATIN1"},
            drift=behind(sql, "ALTER DATABASE life OWNER TO keeper"),
            drifted={"owner"},
        ),
    )


def test_a_grants_life(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE ROLE reader")
    sql("CREATE DATABASE granted")
    base = {"database": "granted", "role": "reader", "objectType": "database"}
    live(
        plugin,
        Case(
            GRANT,
            {**base, "privileges": ["TEMPORARY", "CONNECT"]},
            update={**base, "privileges": ["ALL"]},
            replace={**base, "role": "public", "privileges": ["CONNECT"]},
            drift=behind(sql, "REVOKE CREATE ON DATABASE granted FROM reader"),
            drifted={"privileges"},
            importable=False,  # the official plugin imports none; the stand-in does, see below
        ),
    )


def test_every_type_has_a_life_here():
    assert set(PROVIDER.types) == {ROLE, DATABASE, GRANT}


def test_what_vanished_counts_as_deleted(plugin: Plugin, sql: Callable[[str], list[Any]]):
    made = plugin.create(DATABASE, {"name": "vanishing"})
    grant = plugin.create(
        GRANT, {"database": "vanishing", "role": "public", "objectType": "database", "privileges": []}
    )
    sql("DROP DATABASE vanishing")
    for resource in (grant, made):
        assert plugin.refresh(resource) is None
        plugin.delete(resource)


def test_a_grant_is_found_by_its_id(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE DATABASE with_line")
    inputs = {"database": "with_line", "role": "public", "objectType": "database", "privileges": ["CONNECT"]}
    made = plugin.create(GRANT, inputs)
    found = plugin.imported(GRANT, made.id)
    assert found is not None and plugin.diff(found, inputs).paths == {}


def test_ids_inputs_and_outputs_are_those_of_the_official_plugin(plugin: Plugin):
    role = plugin.create(ROLE, {"name": "mlflow", "login": True, "password": "secretpw"})
    database = plugin.create(DATABASE, {"name": "mlflow", "owner": "mlflow"})
    everybody = plugin.create(
        GRANT, {"database": "mlflow", "role": "public", "objectType": "database", "privileges": []}
    )
    owner = plugin.create(
        GRANT,
        {"database": "mlflow", "role": "mlflow", "objectType": "database", "privileges": ["CONNECT", "TEMPORARY"]},
    )

    assert role.inputs == {
        "connectionLimit": -1,
        "encryptedPassword": True,
        "inherit": True,
        "login": True,
        "name": "mlflow",
        "password": "secretpw",
        "validUntil": "infinity",
    }
    assert role.outputs == {
        "assumeRole": "",
        "bypassRowLevelSecurity": False,
        "connectionLimit": -1,
        "createDatabase": False,
        "createRole": False,
        "encrypted": None,
        "encryptedPassword": True,
        "id": "mlflow",
        "idleInTransactionSessionTimeout": 0,
        "inherit": True,
        "login": True,
        "name": "mlflow",
        "password": "secretpw",
        "passwordWo": None,
        "passwordWoVersion": None,
        "replication": False,
        "roles": [],
        "searchPaths": [],
        "skipDropRole": False,
        "skipReassignOwned": False,
        "statementTimeout": 0,
        "superuser": False,
        "validUntil": "infinity",
    }
    assert "password" in role.secrets
    assert database.inputs == {"allowConnections": True, "connectionLimit": -1, "name": "mlflow", "owner": "mlflow"}
    assert database.outputs == {
        "allowConnections": True,
        "alterObjectOwnership": False,
        "connectionLimit": -1,
        "encoding": "UTF8",
        "id": "mlflow",
        "isTemplate": False,
        "lcCollate": "C.UTF-8",
        "lcCtype": "C.UTF-8",
        "name": "mlflow",
        "owner": "mlflow",
        "tablespaceName": "pg_default",
        "template": "template0",
    }
    assert everybody.id == "public_mlflow_database"
    assert everybody.inputs == {"database": "mlflow", "objectType": "database", "privileges": None, "role": "public"}
    assert owner.id == "mlflow_mlflow_database"
    assert owner.outputs == {
        "columns": None,
        "database": "mlflow",
        "id": "mlflow_mlflow_database",
        "objectType": "database",
        "objects": None,
        "privileges": ["CONNECT", "TEMPORARY"],
        "role": "mlflow",
        "schema": None,
        "withGrantOption": False,
    }
    for made in (owner, everybody, database, role):
        plugin.delete(made)


def test_only_the_owner_may_connect_where_the_public_has_no_privileges(
    plugin: Plugin, config: dict[str, Any], sql: Callable[[str], list[Any]]
):
    for name in ("insider", "outsider"):
        plugin.create(ROLE, {"name": name, "login": True, "password": name})
    plugin.create(DATABASE, {"name": "closed", "owner": "insider"})
    inputs = {"database": "closed", "role": "public", "objectType": "database", "privileges": []}
    made = plugin.create(GRANT, inputs)

    connected(config, "insider", "insider", "closed").close()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connected(config, "outsider", "outsider", "closed")

    sql("GRANT CONNECT ON DATABASE closed TO PUBLIC")
    found = plugin.refresh(made)
    assert found is not None and plugin.diff(found, inputs).kind == "update"


def test_changes_of_one_database_at_the_same_time_all_succeed(config: dict[str, Any]):
    plugin = Plugin(copy.copy(PROVIDER), config)
    plugin.create(DATABASE, {"name": "busy"})
    grant = PROVIDER.types[GRANT]
    role = PROVIDER.types[ROLE]
    names = [f"busy{number}" for number in range(8)]

    def use(name: str) -> str:
        inputs = role.check({"name": name, "encryptedPassword": True, "connectionLimit": -1, "validUntil": "infinity"})
        role.create(plugin.client, inputs)
        one = {"database": "busy", "role": name, "objectType": "database", "privileges": ["CONNECT"]}
        return grant.create(plugin.client, one)[0]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(use, names)) == [f"{name}_busy_database" for name in names]


def test_a_role_that_owns_objects_hands_them_over(plugin: Plugin, sql: Callable[[str], list[Any]]):
    made = plugin.create(ROLE, {"name": "leaver"})
    sql("CREATE TABLE left_behind ()")
    sql("ALTER TABLE left_behind OWNER TO leaver")
    plugin.delete(made)
    assert sql("SELECT tableowner FROM pg_tables WHERE tablename = 'left_behind'") == [("postgres",)]


def test_a_database_in_use_is_dropped(plugin: Plugin, config: dict[str, Any], sql: Callable[[str], list[Any]]):
    made = plugin.create(DATABASE, {"name": "in_use"})
    connection = connected(config, config["username"], config["password"], "in_use")
    plugin.delete(made)
    assert sql("SELECT 1 FROM pg_database WHERE datname = 'in_use'") == []
    connection.close()
