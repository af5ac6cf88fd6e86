"""Rights to call a function."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ..harness import Case, Plugin, Refused, live
from .server import GRANT, ROLE, behind, connected


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
            drift=behind(sql, "REVOKE EXECUTE ON FUNCTION pg_switch_wal FROM copier"),
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
    with connected(config, "switcher", "switcher") as connection:
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
