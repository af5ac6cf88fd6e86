"""Events on their way to the table: none waits for the database, and none is lost without a word."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from mlflow_platform.server.audit import Event
from mlflow_platform.server.trail.recorder import AT_ONCE, Recorder
from sqlalchemy.exc import DataError, OperationalError

from tests.plugin.browsing import eventually


class Database:
    """Takes events, unless it is told not to."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.events: list[Event] = []
        self.failure: Exception | None = None
        self.tried = 0

    def write(self, events: list[Event]) -> None:
        self.tried += 1
        if self.failure:
            raise self.failure
        self.written += [event.what for event in events]
        self.events += events


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def recorder(database: Database) -> Iterator[Callable[[int], Recorder]]:
    made: list[Recorder] = []

    def make(most: int) -> Recorder:
        made.append(Recorder(database.write, most=most, every=0.01))
        return made[-1]

    yield make
    for each in made:
        each.close()


def event(number: int) -> Event:
    return Event(at=number, trail="MLflow", what=str(number))


def test_all_are_written_and_the_last_at_the_end(database: Database, recorder: Callable[[int], Recorder]) -> None:
    records = recorder(10_000)
    number = 2 * AT_ONCE + 7
    for each in range(number):
        records.add(event(each))
    records.close()
    assert sorted(map(int, database.written)) == list(range(number))


def test_what_is_alike_within_a_second_is_one_event_with_its_number(
    database: Database, recorder: Callable[[int], Recorder]
) -> None:
    records = recorder(100)
    alike = Event(at=7, trail="MLflow", user="vera", what="POST /log-metric", outcome="200")
    for at in range(3):
        records.add(replace(alike, at=at))
    for other in ({"user": "dev"}, {"outcome": "404"}, {"address": "10.0.0.7"}, {"room": "nlp"}, {"refused": True}):
        records.add(replace(alike, **other))
    records.close()
    several = {event.outcome: event.at for event in database.events if "times" in event.outcome}
    assert several == {"200, 3 times": 0}
    assert sorted(event.outcome for event in database.events) == ["200"] * 4 + ["200, 3 times", "404"]


def test_they_wait_for_a_database_that_is_away_and_what_is_too_much_is_counted(
    database: Database, recorder: Callable[[int], Recorder]
) -> None:
    database.failure = OperationalError("INSERT", {}, Exception("away"))
    records = recorder(3)
    records.add(event(0))
    assert eventually(lambda: database.tried > 1)
    for number in range(1, 10):
        records.add(event(number))
    database.failure = None
    assert eventually(lambda: any("were not kept" in what for what in database.written))
    kept = [what for what in database.written if what.isdigit()]
    assert len(kept) == 3
    records.add(event(11))
    assert eventually(lambda: database.written[-1] == "11")


@pytest.mark.parametrize("failure", [DataError("INSERT", {}, Exception("no text")), ValueError("surrogates")])
def test_those_that_no_table_takes_keep_nobody_waiting(
    database: Database, recorder: Callable[[int], Recorder], failure: Exception
) -> None:
    database.failure = failure
    records = recorder(100)
    records.add(event(1))
    assert eventually(lambda: database.tried == 1)
    database.failure = None
    records.add(event(2))
    assert eventually(lambda: "2" in database.written)
    assert database.written == ["2", "1 events were not kept; the containers' logs have them"]
