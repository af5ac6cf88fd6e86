"""What MLflow's permission engine reads several times at every request, kept until anybody writes it."""

import mmap
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

STAMP_VARIABLE = "MLFLOW_PLATFORM_PERMISSION_STAMP"
SIZE = 16
LONGEST = 2.0  # seconds, for whoever writes past this container: another one, or an administrator's shell
MOST = 8192  # answers
RunRequirement = Callable[[str, str], tuple[Any, list[Any]] | None]
# Our own tables, of sessions and attempts, are no permissions.
_WRITING = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(?!\W?mlflow_platform_)", re.IGNORECASE)


def make_stamp() -> str:
    """The file in which this container's workers see one another's writes; its name goes into STAMP_VARIABLE."""
    descriptor, path = tempfile.mkstemp(prefix="mlflow-permissions-")  # mode 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(SIZE))
    return path


class PermissionCache:
    """Answers of MLflow's auth store, good for as long as the stamp that all workers share stays as it is.

    Whoever writes sets a new stamp after the commit and before he is answered, so the next request of his finds his
    rights, in whichever worker. A token's groups are written before its first request goes on: the same holds for them.
    """

    def __init__(self, stamp: Path, engine: Engine, clock: Callable[[], float] = time.monotonic):
        with stamp.open("r+b") as file:
            self._stamp = mmap.mmap(file.fileno(), SIZE)
        self._clock = clock
        self._kept: dict[object, tuple[bytes, float, Any]] = {}
        event.listen(engine, "before_cursor_execute", self._look)
        event.listen(engine, "checkin", self._written)  # where a connection comes back to after its commit

    def answer(self, question: object, read: Callable[[], Any]) -> Any:
        """What `read` answered while this stamp was set, or answers now."""
        stamp, now = self._stamp[:], self._clock()
        kept = self._kept.get(question)
        if kept and kept[0] == stamp and now < kept[1]:
            return kept[2]
        answer = read()
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[question] = stamp, now + LONGEST, answer
        return answer

    def _look(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if _WRITING.match(statement):
            connection.info["mlflow_platform_written"] = True

    def _written(self, connection: Any, record: Any) -> None:
        if record.info.pop("mlflow_platform_written", False):
            self._stamp[:] = os.urandom(SIZE)


def install(auth: Any) -> None:
    """Puts caches in front of what MLflow's permission engine (3.17.2) reads again at every request."""
    auth._run_requirement = keep_found(auth._run_requirement)
    if path := os.environ.get(STAMP_VARIABLE):  # without it nobody would hear of the other workers' writes
        _keep_grants(auth.store, PermissionCache(Path(path), auth.store.engine))


def keep_found(run_requirement: RunRequirement) -> RunRequirement:
    """For which experiment a run asks rights, read once: MLflow loads the whole run for it, and no run ever moves.

    What is not found is looked for again.
    """
    from mlflow.utils.workspace_context import get_request_workspace  # the entry reads this module before MLflow's

    found: dict[tuple[str | None, str, str], tuple[Any, list[Any]]] = {}

    def kept(run_id: str, action: str) -> tuple[Any, list[Any]] | None:
        question = get_request_workspace(), run_id, action  # another workspace does not have it
        known = found.get(question) or run_requirement(run_id, action)
        if known is None:
            return None
        if len(found) >= MOST:
            found.clear()
        found[question] = known
        experiment, requirements = known
        return experiment, list(requirements)

    return kept


def _keep_grants(store: Any, cache: PermissionCache) -> None:
    get_user, list_grants = store.get_user, store.list_grants

    def kept_user(username: str) -> Any:
        return cache.answer(username, lambda: get_user(username))

    def kept_grants(user_id: int, workspace: str, resource_types: Collection[str]) -> list[Any]:
        question = user_id, workspace, frozenset(resource_types)
        return list(cache.answer(question, lambda: list_grants(user_id, workspace, resource_types)))

    store.get_user, store.list_grants = kept_user, kept_grants
