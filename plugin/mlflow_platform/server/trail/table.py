"""The events that this server keeps, in the database of its sessions."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
)

from mlflow_platform.server import audit
from mlflow_platform.server.audit import LONGEST, LONGEST_DEED, Event
from mlflow_platform.server.trail.reading import Wanted, newest

METADATA = MetaData()
_TEXTS = {"trail": 16, "user": LONGEST, "address": LONGEST, "what": LONGEST_DEED, "outcome": LONGEST, "room": LONGEST}
_TABLE = Table(
    "mlflow_platform_events",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    *(Column(name, String(longest), nullable=False) for name, longest in _TEXTS.items()),
    Column("refused", Boolean, nullable=False),
)
Index("mlflow_platform_events_of_users", _TABLE.c.user, _TABLE.c.at)
Index("mlflow_platform_events_in_rooms", _TABLE.c.room, _TABLE.c.at)
Index("mlflow_platform_events_refused", _TABLE.c.at, postgresql_where=_TABLE.c.refused, sqlite_where=_TABLE.c.refused)
_EVENT = [_TABLE.c.at, *(_TABLE.c[name] for name in _TEXTS), _TABLE.c.refused]

MOST = 1_000_000
"""Of one user's, and of those of nobody known: whoever makes many pushes out nobody else's."""


def add(engine: Engine, events: Sequence[Event]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(_TABLE), [asdict(event.cleaned()) for event in events])


def kept(engine: Engine, wanted: Wanted, before: int, number: int) -> list[Event]:
    """A source of events."""
    query = select(*_EVENT).where(_TABLE.c.at >= wanted.since, _TABLE.c.at < before)
    if wanted.user:
        query = query.where(_TABLE.c.user == wanted.user)
    if wanted.room:
        query = query.where(_TABLE.c.room == wanted.room)
    if wanted.only_refused:
        query = query.where(_TABLE.c.refused)
    with engine.connect() as connection:
        return [Event(**row._mapping) for row in newest(connection, query, _TABLE.c.at, number)]


def sweep(engine: Engine, before: int, most: int = MOST) -> None:
    """Removes what is older, and of each user what is more than that, which is an event itself."""
    with engine.begin() as connection:
        connection.execute(delete(_TABLE).where(_TABLE.c.at < before))
    many = select(_TABLE.c.user).group_by(_TABLE.c.user).having(func.count() > most)
    with engine.begin() as connection:
        for user in connection.scalars(many).all():
            theirs = _TABLE.c.user == user
            last = select(_TABLE.c.at).where(theirs).order_by(_TABLE.c.at.desc()).offset(most).limit(1)
            gone = connection.execute(delete(_TABLE).where(theirs, _TABLE.c.at <= last.scalar_subquery())).rowcount
            audit.note("events made room for newer ones", of=user or "nobody known", count=gone)
