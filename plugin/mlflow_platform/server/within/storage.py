"""Where this server reads and writes artifacts: in the bucket, and for whoever asks where his teams may read.

MLflow (3.17.2) reads with a storage user of its own, whatever location a client gave: an experiment's, a model
version's source, a trace's tags. So what a client names is looked at when it is written down, which is where the rows
are made, since many routes lead there; and every location is, once more, when it is read, by a job (`one_job`) too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.artifact import artifact_repository_registry as registry
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlTraceInfo, SqlTraceTag
from mlflow.tracing.constant import SpansLocation, TraceTagKey
from mlflow.utils.mlflow_tags import MLFLOW_ARTIFACT_LOCATION
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import Connection, event, func, inspect, literal, select

from mlflow_platform.server.identity.caller import Identity, current

SCHEMES = frozenset({"s3", "runs", "models"})  # the last two lead to the first
_LEADING = re.compile(r"(runs|models):/")
# What MLflow makes places of itself: an experiment's folder in the bucket, and those of its workspaces.
_OWN_FOLDERS = re.compile(r"(\d+|workspaces)/")
# The tags that say where a trace's spans are, and what a request may make of them.
_OF_SPANS = {TraceTagKey.SPANS_LOCATION: SpansLocation.TRACKING_STORE.value, TraceTagKey.ARCHIVE_LOCATION: None}


@dataclass(frozen=True)
class Bucket:
    """The one in which artifacts lie."""

    name: str

    def folder(self, location: str) -> str | None:
        """What a location names in it, with a slash at its end; None for what is elsewhere, or could be read as that.

        >>> Bucket("mlflow").folder("s3://mlflow/0/a")
        '0/a/'
        >>> Bucket("mlflow").folder("s3://mlflow/0/../1")
        """
        found = re.fullmatch(rf"s3://{re.escape(self.name)}((?:/[^/?#\\\x00-\x1f\x7f]+)*)/?", location)
        if not found or {".", ".."} & set(found[1].split("/")):
            return None
        return f"{found[1].removeprefix('/')}/" if found[1] else ""

    def may_read(self, who: Identity | None, location: str) -> bool:
        """Whether the location is in the bucket and, of somebody, where one of his teams may read."""
        folder = self.folder(location)
        return folder is not None and (who is None or folder.startswith(tuple(who.reads)))


def keep_to(bucket: Bucket) -> None:
    """From now on this process reads and writes artifacts there alone, and refuses what names another place."""
    read_there(bucket, current.get)
    _names_only(bucket)


def read_there(bucket: Bucket, reader: Callable[[], Identity | None]) -> None:
    """From now on this process reads and writes artifacts there alone, and where the reader may read."""
    known = registry._artifact_repository_registry
    for scheme in set(known._registry) - SCHEMES:
        del known._registry[scheme]
    build = known.get_artifact_repository

    def checked(artifact_uri: str, *arguments: Any, **options: Any) -> ArtifactRepository:
        if not _LEADING.match(artifact_uri) and not bucket.may_read(reader(), artifact_uri):
            raise MlflowException("These artifacts are where none of your teams may read.", PERMISSION_DENIED)
        return build(artifact_uri, *arguments, **options)

    known.get_artifact_repository = checked


def _names_only(bucket: Bucket) -> None:
    def experiment(row: Any, args: Any, given: dict[str, Any]) -> None:
        """Before it has a number; without a location it gets one of its own after that."""
        who, location = current.get(), given.get("artifact_location")
        if not who or not location:
            return
        folder = bucket.folder(location)
        if not folder or _OWN_FOLDERS.match(folder) or not bucket.may_read(who, location):
            raise MlflowException.invalid_parameter_value(
                f"An experiment's artifacts cannot lie at {location}: leave artifact_location out, or name a folder in "
                f"s3://{bucket.name} that your teams may read, and that is no other experiment's."
            )

    def version(mapper: Any, connection: Connection, row: Any) -> None:
        if not (who := current.get()):
            return
        for location in {row.source, row.storage_location} - {None}:
            if ":" in location and not _LEADING.match(location):
                _check_source(bucket, connection, who, location)

    event.listen(SqlExperiment, "init", experiment)
    event.listen(SqlModelVersion, "before_insert", version)
    event.listen(SqlTraceTag, "before_insert", _check_trace_tag)
    event.listen(SqlTraceTag, "before_update", _check_trace_tag)


def _check_source(bucket: Bucket, connection: Connection, who: Identity, source: str) -> None:
    place = func.rtrim(SqlExperiment.artifact_location, "/").concat("/")
    within = func.substr(literal(source.rstrip("/")), 1, func.length(place)) == place
    inside = select(SqlExperiment.experiment_id).where(within, SqlExperiment.workspace == who.workspace).limit(1)
    if not bucket.may_read(who, source) or not connection.execute(inside).first():
        raise MlflowException.invalid_parameter_value(
            f"A model version cannot have the source {source}: name a run's or a model's artifacts that your teams may "
            "read, as runs:/RUN/PATH or models:/MODEL."
        )


def _check_trace_tag(mapper: Any, connection: Connection, tag: Any) -> None:
    """What says where a trace's spans and attachments lie is the server's own word."""
    if tag.key not in (MLFLOW_ARTIFACT_LOCATION, *_OF_SPANS) or not current.get():
        return
    if not inspect(tag).attrs.value.history.has_changes():
        return
    if tag.value != (_OF_SPANS[tag.key] if tag.key in _OF_SPANS else _place(connection, tag.request_id)):
        raise MlflowException.invalid_parameter_value(
            f"The tag {tag.key} is the server's, which keeps the trace there."
        )


def _place(connection: Connection, trace: str) -> str:
    """Of the trace's artifacts, in its experiment's folder."""
    of_its_experiment = select(SqlExperiment.artifact_location).join(SqlTraceInfo)
    experiment = connection.scalar(of_its_experiment.where(SqlTraceInfo.request_id == trace))
    return append_to_uri_path(experiment or "", "traces", trace, "artifacts")
