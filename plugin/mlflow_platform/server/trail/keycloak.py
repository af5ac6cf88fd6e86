"""Keycloak's own record (26.7) of logins and of what its administrators do, read where Keycloak keeps it.

Not by its API for administrators: that takes an account with a role, whose id only Keycloak knows. Two tables, to be
read and no more, are less than such an account may do; they have looked the same for years, and Keycloak need not be
up.
"""

import json
from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Engine, MetaData, Select, String, Table, func, or_, select, tuple_

from mlflow_platform.server.audit import Event
from mlflow_platform.server.trail.reading import Wanted, newest

TRAIL = "Keycloak"
ADMINISTRATOR = "administrator"
_MILLISECOND = 1000  # microseconds

METADATA = MetaData()
_LOGINS = Table(
    "event_entity",
    METADATA,
    Column("id", String, primary_key=True),
    Column("event_time", BigInteger),  # milliseconds
    Column("type", String),
    Column("user_id", String),
    Column("ip_address", String),
    Column("error", String),
    Column("details_json", String),  # of old versions
    Column("details_json_long_value", String),
)
_ADMINISTRATION = Table(
    "admin_event_entity",
    METADATA,
    Column("id", String, primary_key=True),
    Column("admin_event_time", BigInteger),
    Column("operation_type", String),
    Column("resource_type", String),
    Column("resource_path", String),
    Column("ip_address", String),
    Column("error", String),
)
_DETAILS = func.coalesce(_LOGINS.c.details_json_long_value, _LOGINS.c.details_json)


def logins(engine: Engine, wanted: Wanted, before: int, number: int) -> list[Event]:
    """A source of events: logins and what belongs to them, which are in no workspace."""
    if wanted.room:
        return []
    columns = _LOGINS.c
    query = select(columns.event_time, columns.type, columns.user_id, columns.ip_address, columns.error, _DETAILS)
    if wanted.user:
        query = query.where(or_(_says(wanted.user), columns.user_id.in_(_ids(wanted.user))))
    with engine.connect() as connection:
        rows = newest(
            connection, _asked(query, columns.event_time, columns.error, wanted, before), columns.event_time, number
        )
        unnamed = {row.user_id for row in rows if row.user_id and not _username(row[-1])}
        names = {id: _username(details) for id, details in connection.execute(_last_logins(unnamed))}
    return [
        Event(
            at=row.event_time * _MILLISECOND,
            trail=TRAIL,
            user=_username(row[-1]) or names.get(row.user_id, ""),
            address=row.ip_address or "",
            what=row.type or "",
            outcome=row.error or "",
            refused=bool(row.error),
        ).cleaned()
        for row in rows
    ]


def administration(engine: Engine, wanted: Wanted, before: int, number: int) -> list[Event]:
    """A source of events: what administrators changed in Keycloak, this platform's program among them."""
    if wanted.room or wanted.user not in ("", ADMINISTRATOR):
        return []
    columns = _ADMINISTRATION.c
    query = _asked(select(_ADMINISTRATION), columns.admin_event_time, columns.error, wanted, before)
    with engine.connect() as connection:
        rows = newest(connection, query, columns.admin_event_time, number)
    return [
        Event(
            at=row.admin_event_time * _MILLISECOND,
            trail=TRAIL,
            user=ADMINISTRATOR,
            address=row.ip_address or "",
            what=f"{row.operation_type} {row.resource_path or row.resource_type or ''}",
            outcome=row.error or "",
            refused=bool(row.error),
        ).cleaned()
        for row in rows
    ]


def _asked(query: Select, at: Column[int], error: Column[str], wanted: Wanted, before: int) -> Select:
    query = query.where(at >= -(-wanted.since // _MILLISECOND), at < -(-before // _MILLISECOND))
    return query.where(error.is_not(None)) if wanted.only_refused else query


def _says(user: str):
    """Its details are JSON, in which no quote stands for itself but where a text begins or ends."""
    return _DETAILS.contains(f'"username":{json.dumps(user, ensure_ascii=False)}', autoescape=True)


def _ids(user: str) -> Select[tuple[str]]:
    """By what Keycloak knows somebody whom its event of a login names."""
    return select(_LOGINS.c.user_id).where(_LOGINS.c.type == "LOGIN", _says(user))


def _last_logins(ids: Collection[str]) -> Select:
    """By which each of these was named last."""
    theirs = select(_LOGINS.c.user_id, func.max(_LOGINS.c.event_time)).group_by(_LOGINS.c.user_id)
    last = theirs.where(_LOGINS.c.user_id.in_(ids), _LOGINS.c.type == "LOGIN")
    return select(_LOGINS.c.user_id, _DETAILS).where(
        tuple_(_LOGINS.c.user_id, _LOGINS.c.event_time).in_(last), _LOGINS.c.type == "LOGIN"
    )


def _username(details: str | None) -> str:
    try:
        said = json.loads(details or "{}")
    except ValueError:
        return ""
    return str(said.get("username") or "") if isinstance(said, dict) else ""
