"""Events on their way to the table: kept in memory for a second, and written by a thread of their own."""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from operator import attrgetter
from threading import Event as Signal
from threading import Thread

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from mlflow_platform.server import audit
from mlflow_platform.server.audit import Event
from mlflow_platform.server.trail import table

logger = logging.getLogger(__name__)

MOST = 20_000  # that wait: some minutes without a database on a busy day, 10 MB
AT_ONCE = 1000
EVERY = 1.0  # seconds
PATIENCE = 3.0  # seconds that an end waits for the last of them
_but_for_the_moment = attrgetter("trail", "user", "address", "what", "outcome", "room", "refused")


class Recorder:
    """Takes events without ever waiting; what is more than it holds is counted, and the number is an event itself."""

    def __init__(self, write: Callable[[list[Event]], None], most: int = MOST, every: float = EVERY):
        self._write = write
        self._most = most
        self._every = every
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._failing = False
        self._ends = Signal()
        self._thread = Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def add(self, event: Event) -> None:
        if len(self._waiting) < self._most:
            self._waiting.append(event)
        else:
            self._lost += 1

    def close(self) -> None:
        """Writes what waits, as far as the database takes it at once."""
        self._ends.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._ends.wait(self._every):
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        while self._waiting:
            batch, lost = list(islice(self._waiting, AT_ONCE)), self._lost
            try:
                self._write([*_folded(batch), *([_loss(lost)] if lost else [])])
            except (OperationalError, InterfaceError, NoConnection) as failure:
                if not self._failing:
                    logger.warning("events wait for the database (%s)", type(failure).__name__)
                self._failing = True
                return
            except Exception as failure:  # whatever it is, it is about these events: others must not wait for them
                logger.error("%d events could not be kept (%s)", len(batch), type(failure).__name__)
                self._lost += len(batch)
            else:
                self._lost -= lost
            self._failing = False
            for _ in batch:
                self._waiting.popleft()


@contextmanager
def recording(engine: Engine) -> Iterator[None]:
    """Keeps what happens in the block, in a process that is no server."""
    recorder = Recorder(partial(table.add, engine))
    audit.keep_by(recorder.add)
    try:
        yield
    finally:
        audit.keep_by(audit.nobody)
        recorder.close()


def _folded(events: Sequence[Event]) -> Iterator[Event]:
    """Those that are alike but for the moment, within a second, as one with their number.

    A training asks the same many times a second: so it neither fills the table nor buries what else its user did.
    """
    for _, alike in groupby(sorted(events, key=_but_for_the_moment), key=_but_for_the_moment):
        first, *others = alike
        yield replace(first, outcome=f"{first.outcome}, {1 + len(others)} times") if others else first


def _loss(number: int) -> Event:
    what = f"{number} events were not kept; the containers' logs have them"
    return Event(at=audit.now(), trail=audit.TRAIL, what=what)
