"""Statements on the PostgreSQL server that the provider's configuration names."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row

from ..base import ProviderError, pause

STARTING = 60.0
"""Seconds that a server may take to start once its port is open."""
ABSENT = 5.0
"""Seconds after which a server that refuses connections counts as not there."""

# One write at a time: PostgreSQL answers "tuple concurrently updated" to parallel changes of one database or role.
# The key is arbitrary; advisory locks belong to a database, and every session here is on the same one.
_WRITE_LOCK = 0x6D6C666C6F77


class Session:
    """One connection for one operation: none stays open, so none blocks a DROP DATABASE."""

    def __init__(self, connection: "psycopg.Connection[DictRow]"):
        self._connection = connection

    def run(self, statement: LiteralString, *names: str, **values: object) -> None:
        """Runs a statement; `{}` is replaced by quoted names, `{key}` by quoted values."""
        literals = {key: sql.Literal(value) for key, value in values.items()}
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names), **literals))

    def option(self, role: str, keyword: str) -> None:
        """Sets one switch of a role; the keyword is ours, never the user's."""
        self._connection.execute(sql.SQL("ALTER ROLE {} ").format(sql.Identifier(role)) + _keyword(keyword))

    def search_path(self, role: str, paths: Sequence[str]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, paths))
        self._connection.execute(sql.SQL("ALTER ROLE {} SET search_path TO {}").format(sql.Identifier(role), names))

    def create_database(
        self,
        name: str,
        *,
        template: str,
        encoding: str,
        owner: str | None,
        tablespace: str | None,
        values: Mapping[str, str | None],
    ) -> None:
        parts = [
            sql.SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {}").format(
                sql.Identifier(name), sql.Identifier(template), sql.Literal(encoding)
            )
        ]
        parts += [
            _keyword(f"{key} ") + sql.Identifier(value)
            for key, value in (("OWNER", owner), ("TABLESPACE", tablespace))
            if value
        ]
        parts += [_keyword(f"{key} ") + sql.Literal(value) for key, value in values.items() if value]
        self._connection.execute(sql.SQL(" ").join(parts))

    def grant(self, privileges: Sequence[str], on: "_On", role: str, may_grant: bool | None) -> None:
        """Grants checked privileges on things; `public` is everybody."""
        self._connection.execute(
            sql.SQL("GRANT {} ON {} TO {}{}").format(
                sql.SQL(", ").join(map(_keyword, privileges)),
                _objects(on),
                _grantee(role),
                sql.SQL(" WITH GRANT OPTION" if may_grant else ""),
            )
        )

    def revoke(self, on: "_On", role: str) -> None:
        """Takes all privileges on things from a role."""
        self._connection.execute(sql.SQL("REVOKE ALL ON {} FROM {}").format(_objects(on), _grantee(role)))

    def row(self, query: LiteralString, *parameters: object) -> dict[str, Any] | None:
        """The first row of a query, None if there is none."""
        return self._connection.execute(query, parameters).fetchone()

    def verifier(self, password: str, role: str) -> str:
        """The password as the server would store it, so that neither statements nor server logs carry it."""
        return self._connection.pgconn.encrypt_password(password.encode(), role.encode()).decode()


class Server:
    """Opens sessions. Its errors name the server and what it said, never a statement: that may hold a password."""

    def __init__(self, config: dict[str, Any]):
        self._where = f"PostgreSQL at {config['host']}:{config['port']}"
        self._target: dict[str, Any] = {
            "host": config["host"],
            "port": config["port"],
            "user": config["username"],
            "password": config.get("password"),
            "dbname": config["database"],
            "sslmode": config["sslmode"],
            "sslrootcert": config.get("sslrootcert"),
            "connect_timeout": config["connectTimeout"],
        }

    @contextmanager
    def reading(self, database: str | None = None) -> Iterator[Session]:
        """A session in which every statement stands alone, in that database or the provider's own."""
        try:
            with self._connect(database) as connection:
                yield Session(connection)
        except psycopg.Error as error:
            raise ProviderError(f"{self._where}: {_said(error)}") from None

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock until it ends."""
        with self.reading() as session:
            session.row("SELECT pg_advisory_lock(%s)", _WRITE_LOCK)
            yield session

    @contextmanager
    def changing(self, database: str | None = None) -> Iterator[Session]:
        """A session in one transaction, all of which happens or none; the write lock is held on the provider's own."""
        with self.writing() as own:
            there = nullcontext(own) if database is None else self.reading(database)
            with there as session, session._connection.transaction():
                yield session

    def _connect(self, database: str | None) -> "psycopg.Connection[DictRow]":
        """Connects, and waits a bounded time for a server that is there and still starting."""
        begun = time.monotonic()
        target = {**self._target, **({"dbname": database} if database else {})}
        while True:
            try:
                return psycopg.Connection[DictRow].connect(**target, autocommit=True, row_factory=dict_row)
            except psycopg.OperationalError as error:
                said = str(error)
                starting = error.sqlstate == "57P03" or "starting up" in said or "closed the connection" in said
                patience = STARTING if starting else ABSENT if "refused" in said else 0
                if time.monotonic() - begun > patience:
                    raise ProviderError(f"{self._where} cannot be used: {_last_line(said)}") from None
                pause(0.5)


_On = tuple[str, Sequence[Sequence[str]]]  # the kind of things, and their names, in parts


def _objects(on: _On) -> sql.Composed:
    kind, names = on
    return _keyword(f"{kind.upper()} ") + sql.SQL(", ").join(sql.Identifier(*parts) for parts in names)


def _grantee(role: str) -> sql.Composable:
    return sql.SQL("PUBLIC") if role == "public" else sql.Identifier(role)


def _keyword(word: str) -> sql.SQL:
    return sql.SQL(cast(LiteralString, word))


def _said(error: psycopg.Error) -> str:
    """What the server answered in one sentence; psycopg's own text may quote the statement."""
    told = [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]
    return "; ".join(part for part in told if part) or type(error).__name__


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]
