"""What is asked of the server past Pulumi, and the types."""

from collections.abc import Callable
from typing import Any

import psycopg

from ..harness import Resource

ROLE = "postgresql:index/role:Role"
DATABASE = "postgresql:index/database:Database"
GRANT = "postgresql:index/grant:Grant"


def connected(config: dict[str, Any], user: str, password: str, database: str = "postgres") -> psycopg.Connection:
    return psycopg.connect(
        host=config["host"], port=config["port"], user=user, password=password, dbname=database, autocommit=True
    )


def behind(sql: Callable[[str], list[Any]], statement: str) -> Callable[[Resource], None]:
    """A change that a Case makes behind Pulumi's back."""

    def change(made: Resource) -> None:
        sql(statement)

    return change
