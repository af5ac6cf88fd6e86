"""What was deleted in MLflow, on its way out for good: what `mlflow gc` does, a thing at a time.

`mlflow gc` itself (3.17.2) ends at the first thing that it cannot delete, each time: whoever may create an experiment
could name a bucket for it that is not ours, and all that was deleted would stay. It also leaves the artifacts of a
deleted experiment's models and traces, and takes those that a registered model needs.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

from mlflow.entities import LifecycleStage, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.jobs.sqlalchemy_store import SqlAlchemyJobStore
from mlflow.store.jobs.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyJobStore
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
from mlflow.store.model_registry.sqlalchemy_workspace_store import (
    WorkspaceAwareSqlAlchemyStore as WorkspaceAwareRegistryStore,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
from mlflow.store.tracking.sqlalchemy_workspace_store import (
    WorkspaceAwareSqlAlchemyStore as WorkspaceAwareTrackingStore,
)
from mlflow.utils.time import get_current_time_millis
from mlflow.utils.workspace_context import ServerWorkspaceContext

from mlflow_platform.server import audit

logger = logging.getLogger(__name__)

_About = dict[str, str | None]  # what the audit trail says of a thing besides its id
_DAY = 24 * 3600 * 1000  # MLflow counts milliseconds


class Needed(Exception):
    """It has to stay for now; the message says what needs it."""


class Garbage:
    """Deletes for good what has been in MLflow's bin for this long, artifacts first, and writes it to the audit trail.

    What cannot go is logged, and tried again the next time; everything else goes.
    """

    def __init__(self, database_uri: str, bucket: str, days: int, workspaces: Sequence[str] = ()):
        root = f"s3://{bucket}"
        if workspaces:
            self._tracking = WorkspaceAwareTrackingStore(database_uri, root)
            self._registry = WorkspaceAwareRegistryStore(database_uri)
            self._jobs = WorkspaceAwareSqlAlchemyJobStore(database_uri)
        else:
            self._tracking = TrackingStore(database_uri, root)
            self._registry = RegistryStore(database_uri)
            self._jobs = SqlAlchemyJobStore(database_uri)
        self._workspaces = workspaces
        self._age = days * _DAY

    def collect(self) -> int:
        """Returns how many could not go, for a reason that is not just that something needs them."""
        if not self._workspaces:
            return self._collect()
        failed = 0
        for workspace in self._workspaces:
            with ServerWorkspaceContext(workspace):
                failed += self._collect()
        return failed

    def _collect(self) -> int:
        store, failed = self._tracking, 0
        self._registered = " ".join(self._locations_of_registered_models())
        for kind, ids, delete in (
            ("run", store._get_deleted_runs(older_than=self._age), self._run),
            ("model", store._get_deleted_logged_models(older_than=self._age), self._model),
            ("experiment", list(self._deleted_experiments()), self._experiment),
        ):
            failed += sum(not self._tried(kind, id, delete) for id in ids)
        if ended := self._jobs.delete_jobs(older_than=self._age):
            audit.note("deleted for good", kind="records of jobs that ended", count=len(ended))
        return failed

    def _tried(self, kind: str, id: str, delete: Callable[[str], _About]) -> bool:
        try:
            about = delete(id)
        except Needed as need:
            logger.info("the deleted %s %s stays: %s", kind, id, need)
        except Exception as error:  # whatever it is, it is about this one thing
            logger.warning("the deleted %s %s cannot leave (%s: %s)", kind, id, type(error).__name__, error)
            return False
        else:
            audit.note("deleted for good", kind=kind, id=id, **about)
        return True

    def _run(self, id: str) -> _About:
        run = self._tracking.get_run(id).info
        if run.lifecycle_stage != LifecycleStage.DELETED:
            raise Needed("it was restored just now")
        self._unless_registered(id)
        self._empty(run.artifact_uri)
        self._tracking._hard_delete_run(id)
        return {"name": run.run_name, "experiment": run.experiment_id}

    def _model(self, id: str) -> _About:
        model = self._tracking.get_logged_model(id, allow_deleted=True)
        self._unless_registered(id)
        self._empty(model.artifact_location)
        self._tracking._hard_delete_logged_model(id)
        return {"name": model.name, "experiment": model.experiment_id}

    def _experiment(self, id: str) -> _About:
        """Its models go with it; its runs went before, or it stays."""
        experiment = self._tracking.get_experiment(id)
        if experiment.lifecycle_stage != LifecycleStage.DELETED:
            raise Needed("it was restored just now")
        if self._tracking.search_runs([id], "", ViewType.ALL, max_results=1):
            raise Needed("it has runs that are not deleted, or not for long enough")
        models = [model.model_id for model in self._models(id)]
        for model in models:
            self._unless_registered(model)
        for model in models:
            self._model(model)
        # Traces and whatever else; but a folder that was chosen for it may be somebody else's, too.
        if experiment.artifact_location == self._tracking._get_artifact_location(id):
            self._empty(experiment.artifact_location)
        self._tracking._hard_delete_experiment(id)
        return {"name": experiment.name}

    def _models(self, experiment: str) -> Iterator:
        """All that the experiment has, deleted ones included."""
        token = None
        while page := self._tracking.search_logged_models([experiment], page_token=token):
            yield from page
            if not (token := page.token):
                break
        for id in self._tracking._get_deleted_logged_models():
            model = self._tracking.get_logged_model(id, allow_deleted=True)
            if model.experiment_id == experiment:
                yield model

    def _deleted_experiments(self) -> Iterator[str]:
        oldest, token = get_current_time_millis() - self._age, None
        while True:
            page = self._tracking.search_experiments(
                view_type=ViewType.DELETED_ONLY, filter_string=f"last_update_time < {oldest}", page_token=token
            )
            yield from (experiment.experiment_id for experiment in page)
            if not (token := page.token):
                return

    def _locations_of_registered_models(self) -> Iterable[str]:
        token = None
        while True:
            page = self._registry.search_model_versions(page_token=token)
            for version in page:
                yield version.source or ""
                yield self._registry.get_model_version_download_uri(version.name, version.version) or ""
            if not (token := page.token):
                return

    def _unless_registered(self, id: str) -> None:
        if id in self._registered:
            raise Needed("a registered model has its files there")

    @staticmethod
    def _empty(location: str | None) -> None:
        """Every object becomes a version that is not current, which the bucket keeps for days of its own."""
        if not location or not location.startswith("s3://"):
            raise ValueError(f"{location} is not in the object store")
        repository = get_artifact_repository(location)
        repository.delete_artifacts()
        if repository.list_artifacts():  # the answer to a deletion of many says which failed; nobody reads it
            raise OSError(f"not everything at {location} could be deleted")
