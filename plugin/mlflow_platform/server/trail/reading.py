"""What is asked of a trail, and how several are read as one: newest first, a page at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select

from mlflow_platform.server.audit import Event

AT_ONCE = 100
ALL_TIME = 0, 2**62  # microseconds


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an administrator asks for; "" and the earliest are for everything."""

    user: str = ""
    room: str = ""
    only_refused: bool = False
    since: int = ALL_TIME[0]


class Page(NamedTuple):
    """Newest first; `older` is what to ask for events before, None where there are none."""

    events: list[Event]
    older: int | None


Source = Callable[[Wanted, int, int], list[Event]]
"""Of what is wanted and before a moment, so many of the newest, and all others of the moment of the last of them."""


def page(sources: Sequence[Source], wanted: Wanted, before: int = ALL_TIME[1], number: int = AT_ONCE) -> Page:
    """Events of one moment are never on two pages, so that a moment says where the next begins."""
    found = [event for source in sources for event in source(wanted, before, number)]
    found.sort(key=lambda event: event.at, reverse=True)
    if len(found) < number:
        return Page(found, None)
    last = found[number - 1].at
    return Page([event for event in found if event.at >= last], last)


def everything(sources: Sequence[Source], wanted: Wanted, number: int = 1000) -> Iterator[Event]:
    """Page after page."""
    events, older = page(sources, wanted, number=number)
    yield from events
    while older is not None:
        events, older = page(sources, wanted, older, number)
        yield from events


def newest(connection: Connection, query: Select, at: ColumnElement[int], number: int) -> Sequence[Row]:
    """The query's newest rows, and all others of the moment of the last of them.

    Two questions, and not one within the other: PostgreSQL takes an index where it knows the moment beforehand.
    """
    last = connection.scalar(query.with_only_columns(at).order_by(at.desc()).offset(number - 1).limit(1))
    return connection.execute(query.where(at >= (last or 0)).order_by(at.desc())).all()
