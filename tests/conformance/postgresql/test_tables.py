"""Rights on tables, in another database than the one that the provider is connected to."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ..harness import Case, Plugin, Refused, live
from .server import DATABASE, GRANT, ROLE, behind, connected

TABLES = {"database": "shop", "schema": "public", "role": "reader", "objectType": "table"}
READS = {**TABLES, "objects": ["orders", "people"], "privileges": ["SELECT"]}


@pytest.fixture
def shop(plugin: Plugin, config: dict[str, Any]) -> Any:
    """Its database, with three tables, and a reader of it."""
    made = [
        plugin.create(ROLE, {"name": "reader", "login": True, "password": "reader"}),
        plugin.create(DATABASE, {"name": "shop"}),
    ]
    with connected(config, config["username"], config["password"], "shop") as connection:
        for table in ("orders", "people", "secrets"):
            connection.execute(f"CREATE TABLE {table} (id int)".encode())
        yield lambda statement: connection.execute(statement.encode())
    for each in reversed(made):
        plugin.delete(each)


def test_a_table_grants_life(plugin: Plugin, shop: Callable[[str], Any]):
    live(
        plugin,
        Case(
            GRANT,
            READS,
            update={**READS, "privileges": ["SELECT", "UPDATE"]},
            replace={**READS, "objects": ["orders"]},
            drift=behind(shop, "REVOKE SELECT ON people FROM reader"),
            drifted={"privileges"},
            importable=False,  # as with databases
        ),
    )


def test_granted_tables_are_read_and_no_others_until_the_grant_is_gone(
    plugin: Plugin, config: dict[str, Any], shop: Callable[[str], Any]
):
    with connected(config, "reader", "reader", "shop") as connection:
        made = plugin.create(GRANT, READS)
        assert made.id == "reader_shop_public_table_orders_people"
        connection.execute("SELECT 1 FROM orders, people")
        for refused in ("SELECT 1 FROM secrets", "DELETE FROM orders"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused.encode())
        plugin.delete(made)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT 1 FROM orders")


def test_a_table_that_is_not_there_is_named_in_one_sentence(plugin: Plugin, shop: Callable[[str], Any]):
    with pytest.raises(Refused, match=r"PostgreSQL at .*nothing") as refused:
        plugin.create(GRANT, {**READS, "objects": ["nothing"]})
    assert "\n" not in str(refused.value)
