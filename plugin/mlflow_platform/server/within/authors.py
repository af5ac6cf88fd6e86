"""Who did it: what MLflow writes down of its users is who asked, as the token says, and not what the client says.

MLflow (3.17.2) takes it from the request: `user_id` of a run, the tag `mlflow.user`, `created_by`, the source of
feedback. Clients send the name of the operating system's user, which on a cluster's nodes is `root`. Requests reach
these rows by many ways (REST, GraphQL, OTLP, MLflow's own client within the server), so it is set where all of them
end: as the rows are made. What a client says otherwise is kept, under another name.
"""

import json
from collections.abc import Callable
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.db.base_sql_model import Base
from mlflow.store.tracking.dbmodels.models import (
    SqlAssessments,
    SqlReviewQueue,
    SqlReviewQueueUser,
    SqlRun,
    SqlTag,
    SqlTraceInfo,
    SqlTraceMetadata,
    SqlTraceTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.mlflow_tags import MLFLOW_USER
from sqlalchemy import event
from sqlalchemy.orm import configure_mappers, object_session

from mlflow_platform.server.identity.caller import current

SAID = "mlflow-platform.client_user"
"""The tag, or the key of metadata, that has what the client said."""
CHANGED_BY = "mlflow-platform.changed_by"
"""The key of an assessment's metadata that has who changed it last, once somebody did who is not its source."""

_AUTHORS = ("user_id", "created_by", "last_updated_by")
_OTHERS = (SqlReviewQueue, SqlReviewQueueUser)  # whose columns of these names say for whom it is
_UNKNOWN = "default"  # MLflow's name for the source of feedback that says none
_HUMAN = "HUMAN"


def install() -> None:
    """For every row that is made or changed in this process from now on, while somebody's request is served."""
    configure_mappers()
    for table in (mapper.class_ for mapper in Base.registry.mappers):
        for author in _AUTHORS:
            if author in table.__mapper__.columns and table not in _OTHERS:
                _sign(table, author)
    for table in (SqlTag, SqlTraceTag, SqlTraceMetadata):
        _keep_apart(table)
    _add_to(SqlRun, "tags", SqlTag)
    _add_to(SqlTraceInfo, "request_metadata", SqlTraceMetadata)
    event.listen(SqlTag, "before_delete", _stays)
    event.listen(SqlAssessments, "init", _assessed)
    SqlAlchemyStore.update_assessment = _noting_changes(SqlAlchemyStore.update_assessment)


def _who() -> str | None:
    """None outside of requests: in a job, or while old things are thrown away."""
    identity = current.get()
    return identity.username if identity else None


def _sign(table: Any, author: str) -> None:
    def made(row: Any, args: Any, given: dict[str, Any]) -> None:
        if who := _who():
            given[author] = who

    def changed(row: Any, value: Any, before: Any, initiator: Any) -> Any:
        if value is None and author != "last_updated_by":
            return None  # MLflow takes the name out of a model version that is deleted
        return _who() or value

    event.listen(table, "init", made)
    event.listen(getattr(table, author), "set", changed, retval=True)


def _keep_apart(table: Any) -> None:
    """Of the name MLFLOW_USER there is one that says who asked, or none."""

    def made(row: Any, args: Any, given: dict[str, Any]) -> None:
        who = _who()
        if who and given.get("key") == MLFLOW_USER and given.get("value") != who:
            given["key"] = SAID

    def changed(row: Any, value: Any, before: Any, initiator: Any) -> Any:
        who, session = _who(), object_session(row)
        if not who or not session or row.key != MLFLOW_USER or value == before:
            return value
        keys = {column.key: getattr(row, column.key) for column in table.__mapper__.primary_key}
        with session.no_autoflush:
            session.merge(table(**{**keys, "key": SAID, "value": value}))
        return before

    event.listen(table, "init", made)
    event.listen(table.value, "set", changed, retval=True)


def _add_to(table: Any, collection: str, tag: Any) -> None:
    """Every new one has the tag, whatever the client sends beside it."""

    def made(row: Any, args: Any, given: dict[str, Any]) -> None:
        if who := _who():
            given.setdefault(collection, [tag(key=MLFLOW_USER, value=who)])

    def given_others(row: Any, tags: list[Any], initiator: Any) -> None:
        who = _who()
        if who and not any(tag.key == MLFLOW_USER for tag in tags):
            tags.append(tag(key=MLFLOW_USER, value=who))

    event.listen(table, "init", made)
    event.listen(getattr(table, collection), "bulk_replace", given_others)


def _stays(mapper: Any, connection: Any, tag: Any) -> None:
    if _who() and tag.key == MLFLOW_USER:
        raise MlflowException.invalid_parameter_value(f"The tag {MLFLOW_USER} says whose run it is, and stays.")


def _assessed(row: Any, args: Any, given: dict[str, Any]) -> None:
    """Of people it is who asked; what judges and code call themselves stays, where they do."""
    who, said = _who(), given.get("source_id")
    if not who:
        return
    metadata = json.loads(given.get("assessment_metadata") or "{}")
    metadata.pop(CHANGED_BY, None)
    if given.get("source_type") == _HUMAN or said in (None, _UNKNOWN):
        given["source_id"] = who
        if said not in (None, _UNKNOWN, who):
            metadata[SAID] = said
    given["assessment_metadata"] = json.dumps(metadata) if metadata else None


def _noting_changes(update: Callable[..., Any]) -> Callable[..., Any]:
    """MLflow keeps the source of feedback that somebody else changes."""

    def noting(store: Any, trace_id: str, assessment_id: str, **changes: Any) -> Any:
        if who := _who():
            there = store.get_assessment(trace_id, assessment_id)
            metadata = {key: value for key, value in (changes.get("metadata") or {}).items() if key != CHANGED_BY}
            if there.source.source_id != who or CHANGED_BY in (there.metadata or {}):
                metadata[CHANGED_BY] = who
            changes["metadata"] = metadata
        return update(store, trace_id, assessment_id, **changes)

    return noting
