"""What MLflow's permission engine reads several times at every request, kept until anybody writes it."""

import re
from collections.abc import Callable, Collection
from typing import Any

from sqlalchemy import Engine, event

from mlflow_platform.server.kept import MOST, PERMISSIONS, Kept, stamps

RunRequirement = Callable[[str, str], tuple[Any, list[Any]] | None]
# Our own tables, of sessions and attempts, are no permissions.
_WRITING = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s+(?!\W?mlflow_platform_)", re.IGNORECASE)


class PermissionCache:
    """Answers of MLflow's auth store, until anybody writes to its database.

    A token's groups are written before its first request goes on, so that they count for it.
    """

    def __init__(self, kept: Kept, engine: Engine):
        self.answer = kept.answer
        self._written_anew = kept.written
        event.listen(engine, "before_cursor_execute", self._look)
        event.listen(engine, "checkin", self._written)  # where a connection comes back to after its commit

    def _look(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if _WRITING.match(statement):
            connection.info["mlflow_platform_written"] = True

    def _written(self, connection: Any, record: Any) -> None:
        if record.info.pop("mlflow_platform_written", False):
            self._written_anew()


def install(auth: Any) -> None:
    """Puts caches in front of what MLflow's permission engine (3.17.2) reads again at every request."""
    auth._run_requirement = keep_found(auth._run_requirement)
    _keep_grants(auth.store, PermissionCache(Kept(stamps(), PERMISSIONS), auth.store.engine))


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
