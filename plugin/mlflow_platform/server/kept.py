"""What a worker keeps of the database until any worker of the container writes it."""

import mmap
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

STAMPS_VARIABLE = "MLFLOW_PLATFORM_STAMPS"
SIZE = 16
LONGEST = 2.0  # seconds, for whoever writes past this container: another one, or an administrator's shell
MOST = 8192  # answers
PERMISSIONS, SESSIONS = range(2)  # places in the file, a stamp each

T = TypeVar("T")


def make_stamps(folder: Path | None = None) -> str:
    """The file in which this container's workers see one another's writes; its name goes into STAMPS_VARIABLE.

    It lies in the folder, or where temporary files do.
    """
    descriptor, path = tempfile.mkstemp(prefix="mlflow-platform-stamps-", dir=folder)  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(SIZE * (SESSIONS + 1)))
    return path


def stamps() -> Path | None:
    """That file; None where nobody would hear of the other workers' writes."""
    path = os.environ.get(STAMPS_VARIABLE)
    return Path(path) if path else None


class Kept:
    """Answers that are good for as long as the stamp that all workers share stays as it is.

    Whoever writes sets a new stamp after the commit and before he is answered, so whatever is asked after that is read
    again, in whichever worker. Without a file nothing is kept.
    """

    def __init__(self, file: Path | None, place: int, clock: Callable[[], float] = time.monotonic):
        self._at = slice(place * SIZE, (place + 1) * SIZE)
        self._clock = clock
        self._of = b""
        self._answers: dict[object, tuple[float, object]] = {}
        self._stamps: mmap.mmap | None = None
        if file:
            with file.open("r+b") as opened:
                self._stamps = mmap.mmap(opened.fileno(), 0)

    def answer(self, question: object, read: Callable[[], T]) -> T:
        """What `read` answered under this stamp, or answers now; that there is nothing (None) is not kept."""
        if self._stamps is None:
            return read()
        stamp, now = self._stamps[self._at], self._clock()
        if stamp != self._of or len(self._answers) >= MOST:
            self._answers, self._of = {}, stamp
        answers = self._answers
        until, kept = answers.get(question, (0.0, None))
        if now < until:
            return kept  # pyright: ignore[reportReturnType]
        answer = read()
        if answer is not None:
            answers[question] = now + LONGEST, answer  # which are thrown away, if somebody wrote meanwhile
        return answer

    def forget(self, question: object) -> None:
        """Reads it again, in this worker."""
        self._answers.pop(question, None)

    def written(self) -> None:
        """From now on all workers read again."""
        if self._stamps is not None:
            self._stamps[self._at] = os.urandom(SIZE)
