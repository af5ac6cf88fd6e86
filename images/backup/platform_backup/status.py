"""What is well and what is not, for whoever asks: one JSON file in memory, written anew at every change."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from platform_backup.config import RUN

FILE = RUN / "status.json"


class Status:
    """Facts by name, and per piece of work since when it fails and why."""

    def __init__(self, file: Path = FILE):
        self._file = file
        self._lock = threading.Lock()
        self._facts: dict[str, Any] = {"since": time.time()}
        self._failing: dict[str, dict[str, Any]] = {}

    def set(self, **facts: Any) -> None:
        with self._lock:
            self._facts |= facts
            self._write()

    def get(self, name: str) -> Any:
        return self._facts.get(name)

    def fails(self, work: str) -> bool:
        return work in self._failing

    def attempt(self, work: str, do: Callable[[], Any]) -> None:
        """Does it; a failure is told once, stands in the status until it is over, and never ends the caller."""
        with suppress(Exception), self.doing(work):
            do()

    @contextmanager
    def doing(self, work: str) -> Iterator[None]:
        """The same for a caller who wants the error too."""
        try:
            yield
        except Exception as error:
            self._failed(work, " ".join(str(error).split()) or type(error).__name__)
            raise
        self.well(work)

    def _failed(self, work: str, why: str) -> None:
        with self._lock:
            known = self._failing.get(work)
            if known is None or known["why"] != why:
                say(f"{work} fails: {why}")
            self._failing[work] = {"since": known["since"] if known else time.time(), "why": why}
            self._write()

    def well(self, work: str) -> None:
        """What goes on for ever says so itself."""
        with self._lock:
            if self._failing.pop(work, None):
                say(f"{work} is well again")
            self._write()

    def _write(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps({**self._facts, "failing": self._failing, "written": time.time()}))
        draft.rename(self._file)


def say(text: str) -> None:
    print(f"backup: {text}", file=sys.stderr, flush=True)
