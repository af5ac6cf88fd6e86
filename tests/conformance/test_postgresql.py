"""The postgresql stand-in against a PostgreSQL of its own: every type's life, the traps, a real stack."""

import copy
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pulumi
import pulumi_postgresql as postgresql
import pytest

from offline.providers.postgresql import PROVIDER

from .containers import running
from .harness import Case, Plugin, Refused, Resource, live
from .stacks import Stack

ROLE = "postgresql:index/role:Role"
DATABASE = "postgresql:index/database:Database"
GRANT = "postgresql:index/grant:Grant"
FUNCTION = {"database": "d", "role": "r", "objectType": "function", "schema": "s", "objects": ["f"]}


@pytest.fixture(scope="session")
def config(local_image: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The provider's arguments for a server that lives as long as these tests; it may still be starting."""
    password = secrets.token_hex(12)
    secret = "/run/superuser"
    with running(
        local_image("postgres"),
        ["postgres"],
        port=5432,
        environment={"POSTGRES_PASSWORD_FILE": secret},
        files={secret: password},
    ) as port:
        yield {"host": "127.0.0.1", "port": port, "username": "postgres", "password": password, "sslmode": "disable"}


@pytest.fixture(scope="session")
def plugin(config: dict[str, Any]) -> Plugin:
    return Plugin(copy.copy(PROVIDER), config)


@pytest.fixture(scope="session")
def sql(plugin: Plugin, config: dict[str, Any]) -> Iterator[Callable[[str], list[Any]]]:
    """Runs a statement behind Pulumi's back; returns its rows."""
    with plugin.client.reading():
        pass  # the provider waits for the server to be ready
    with _connected(config, config["username"], config["password"]) as connection:

        def run(statement: str) -> list[Any]:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

        yield run


def _connected(config: dict[str, Any], user: str, password: str, database: str = "postgres") -> psycopg.Connection:
    return psycopg.connect(
        host=config["host"], port=config["port"], user=user, password=password, dbname=database, autocommit=True
    )


def _behind(sql: Callable[[str], list[Any]], statement: str) -> Callable[[Resource], None]:
    """A change that a Case makes behind Pulumi's back."""

    def change(made: Resource) -> None:
        sql(statement)

    return change


def test_a_roles_life(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE ROLE team")
    base = {"name": "life", "login": True, "password": "first"}
    live(
        plugin,
        Case(
            ROLE,
            {**base, "roles": ["team"], "searchPaths": ["a b", "public"], "statementTimeout": 5000},
            update={**base, "password": "second", "createDatabase": True, "connectionLimit": 3, "assumeRole": "team"},
            drift=_behind(sql, "ALTER ROLE life NOLOGIN CONNECTION LIMIT 9 PASSWORD 'stolen'"),
            drifted={"login", "connectionLimit", "password"},
            vanish=_behind(sql, "DROP ROLE life"),
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
            drift=_behind(sql, "ALTER DATABASE life OWNER TO keeper"),
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
            drift=_behind(sql, "REVOKE CREATE ON DATABASE granted FROM reader"),
            drifted={"privileges"},
            importable=False,  # the official plugin imports none; the stand-in does, see below
        ),
    )


def test_a_function_grants_life(plugin: Plugin, sql: Callable[[str], list[Any]]):
    sql("CREATE ROLE copier")
    sql("CREATE ROLE other_copier")
    base = {"database": "postgres", "schema": "pg_catalog", "role": "copier", "objectType": "function"}
    one = {**base, "objects": ["pg_switch_wal"], "privileges": ["EXECUTE"]}
    live(
        plugin,
        Case(
            GRANT,
            one,
            update={**one, "privileges": ["ALL"]},
            replace={**one, "objects": ["pg_backup_start"]},
            drift=_behind(sql, "REVOKE EXECUTE ON FUNCTION pg_switch_wal FROM copier"),
            drifted={"privileges"},
            importable=False,  # as with databases
        ),
    )
    for other in ({"role": "other_copier"}, {"schema": "public"}, {"objectType": "database"}):
        made = plugin.create(GRANT, one)
        assert plugin.diff(made, {**one, **other}, checked=True).kind.startswith("replace"), other
        plugin.delete(made)


def test_a_granted_function_can_be_called_until_the_grant_is_gone(
    plugin: Plugin, config: dict[str, Any], sql: Callable[[str], list[Any]]
):
    plugin.create(ROLE, {"name": "switcher", "login": True, "password": "switcher"})
    inputs = {"database": "postgres", "schema": "pg_catalog", "role": "switcher", "objectType": "function"}
    inputs |= {"objects": ["pg_switch_wal"], "privileges": ["EXECUTE"]}
    with _connected(config, "switcher", "switcher") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_switch_wal()")
        made = plugin.create(GRANT, inputs)
        assert made.id == "switcher_postgres_pg_catalog_function_pg_switch_wal"
        connection.execute("SELECT pg_switch_wal()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_create_restore_point('not granted')")
        plugin.delete(made)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT pg_switch_wal()")
    assert sql("SELECT has_function_privilege('postgres', 'pg_switch_wal()', 'EXECUTE')") == [(True,)]


def test_a_grant_on_a_function_or_to_a_role_that_is_not_there_fails_in_one_sentence(plugin: Plugin):
    inputs = {"database": "postgres", "schema": "pg_catalog", "role": "postgres", "objectType": "function"}
    for function, role, unknown in (("no_function", "postgres", "no_function"), ("pg_switch_wal", "nobody", "nobody")):
        with pytest.raises(Refused, match=f"PostgreSQL at .*{unknown}") as refused:
            plugin.create(GRANT, {**inputs, "role": role, "objects": [function], "privileges": ["EXECUTE"]})
        assert "\n" not in str(refused.value)


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

    _connected(config, "insider", "insider", "closed").close()
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        _connected(config, "outsider", "outsider", "closed")

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
    connection = _connected(config, config["username"], config["password"], "in_use")
    plugin.delete(made)
    assert sql("SELECT 1 FROM pg_database WHERE datname = 'in_use'") == []
    connection.close()


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (ROLE, {"passwordWo": "x"}, "no input 'passwordWo'"),
        (ROLE, {"encryptedPassword": False}, "no unencrypted passwords"),
        (DATABASE, {"alterObjectOwnership": True}, "leaves objects to their owner"),
        (GRANT, {"database": "d", "role": "r", "objectType": "table", "privileges": []}, "not on a 'table'"),
        (GRANT, {**FUNCTION, "privileges": ["CONNECT"]}, "a function has no privilege CONNECT; it has ALL, EXECUTE"),
        (GRANT, {**FUNCTION, "objects": ["f", "g"], "privileges": []}, "on one function at a time, with its schema"),
        (GRANT, {**FUNCTION, "schema": "", "privileges": []}, "on one function at a time, with its schema"),
        (GRANT, {"database": "d", "role": "r", "objectType": "database", "privileges": ["SELECT"]}, "no privilege"),
    ],
)
def test_what_the_offline_provider_cannot_do_is_refused(plugin: Plugin, token: str, inputs: Any, reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(token, inputs)


def test_no_error_tells_a_password(plugin: Plugin):
    inputs = {"name": "twice", "password": "hush-hush"}
    plugin.create(ROLE, inputs)
    for wrong in (inputs, {"name": "late", "password": "hush-hush", "validUntil": "never-never"}):
        with pytest.raises(Refused) as refused:
            plugin.create(ROLE, wrong)
        assert "hush-hush" not in str(refused.value)


def test_a_server_that_is_not_there_is_named(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("offline.providers.postgresql.server.ABSENT", 0.0)
    absent = Plugin(copy.copy(PROVIDER), {**config, "port": 1})
    with pytest.raises(Refused, match="PostgreSQL at 127.0.0.1:1"):
        absent.create(ROLE, {"name": "nowhere"})


def test_a_wrong_password_is_no_reason_to_wait(config: dict[str, Any], plugin: Plugin):
    with plugin.client.reading():
        pass
    stranger = Plugin(copy.copy(PROVIDER), {**config, "password": "wrong"})
    with pytest.raises(Refused, match="password authentication failed"):
        stranger.create(ROLE, {"name": "nowhere"})


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_under_the_real_cli(pulumi_stack: Callable[..., Stack], config: dict[str, Any], plugin: Plugin):
    with plugin.client.reading():
        pass

    def program() -> None:
        server = postgresql.Provider("server", **{**config, "password": pulumi.Output.secret(config["password"])})
        opts = pulumi.ResourceOptions(provider=server)
        owner = postgresql.Role("owner", login=True, password=pulumi.Output.secret("hush-hush"), opts=opts)
        database = postgresql.Database("data", owner=owner.name, opts=opts)
        postgresql.Grant(
            "public", database=database.name, role="public", object_type="database", privileges=[], opts=opts
        )

    stack = pulumi_stack(program)
    assert stack.preview()["create"] == 5
    assert stack.up()["create"] == 5
    assert stack.up() == {"same": 5}
    assert stack.refresh() == {"same": 5}
    assert stack.preview() == {"same": 5}
    assert "hush-hush" not in stack.state_file()
    assert config["password"] not in stack.state_file()
