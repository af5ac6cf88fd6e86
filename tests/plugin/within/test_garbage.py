"""What was deleted in MLflow leaves for good after its days, artifacts first, and nothing else does."""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from mlflow.entities import ViewType
from mlflow.entities.model_registry import ModelVersionTag
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils
from mlflow.utils.workspace_context import ServerWorkspaceContext
from mlflow_platform.server.within import garbage
from mlflow_platform.server.within.garbage import Garbage
from mlflow_platform.server.within.workspaces import make
from sqlalchemy import create_engine, text

DAY = 24 * 3600 * 1000


class Bucket:
    """The artifacts by their places; a place may refuse."""

    def __init__(self):
        self.objects: set[str] = set()
        self.refuses: str | None = None
        self.keeps: str | None = None

    def repository(self, location: str) -> "Folder":
        return Folder(self, location)


class Folder:
    def __init__(self, bucket: Bucket, location: str):
        self.bucket, self.location = bucket, location

    def list_artifacts(self) -> list[str]:
        return [place for place in self.bucket.objects if place.startswith(f"{self.location}/")]

    def delete_artifacts(self) -> None:
        if self.bucket.refuses and self.location.startswith(self.bucket.refuses):
            raise PermissionError("Access Denied")
        self.bucket.objects -= {place for place in self.list_artifacts() if place != self.bucket.keeps}


class Store:
    """MLflow's database and bucket, and what its users do there."""

    def __init__(self, home: Path, bucket: Bucket, workspaces: Sequence[str] = ()):
        self.uri = f"sqlite:///{home}/mlflow.db"
        self.bucket = bucket
        self.garbage = Garbage(self.uri, "mlflow", 30, workspaces)
        self.tracking, self.registry = self.garbage._tracking, self.garbage._registry

    def experiment(self, name: str, location: str | None = None) -> str:
        return self.tracking.create_experiment(name, artifact_location=location)

    def run(self, experiment: str) -> str:
        """With an artifact."""
        info = self.tracking.create_run(experiment, "ada", int(time.time() * 1000), [], "a run").info
        self.bucket.objects.add(f"{info.artifact_uri}/model.bin")
        return info.run_id

    def model(self, experiment: str) -> str:
        """With its weights."""
        model = self.tracking.create_logged_model(experiment, "a-model")
        self.bucket.objects.add(f"{model.artifact_location}/weights.bin")
        return model.model_id

    def days_pass(self, days: int) -> None:
        with self.tracking.engine.begin() as connection:
            for change in (
                "runs SET deleted_time = deleted_time - :past",
                "logged_models SET last_updated_timestamp_ms = last_updated_timestamp_ms - :past",
                "experiments SET last_update_time = last_update_time - :past",
            ):
                connection.execute(text(f"UPDATE {change}"), {"past": days * DAY})

    def has_run(self, id: str) -> bool:
        try:
            return bool(self.tracking.get_run(id))
        except MlflowException:
            return False

    @property
    def experiments(self) -> set[str]:
        return {found.experiment_id for found in self.tracking.search_experiments(view_type=ViewType.ALL)} - {"0"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without anything in it, which takes seconds to make."""
    home = tmp_path_factory.mktemp("empty")
    Store(home, Bucket())
    return home / "mlflow.db"


@pytest.fixture
def bucket(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Beside a database of its own in the test's folder."""
    bucket = Bucket()
    monkeypatch.setattr(garbage, "get_artifact_repository", bucket.repository)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")  # where the registry looks for models
    monkeypatch.setattr(utils, "_tracking_uri", None)  # whatever an earlier test of this process has set
    shutil.copy2(empty, tmp_path)
    return bucket


@pytest.fixture
def store(tmp_path: Path, bucket: Bucket) -> Store:
    return Store(tmp_path, bucket)


def test_a_deleted_run_leaves_with_its_artifacts_after_its_days_and_not_before(store: Store) -> None:
    experiment = store.experiment("e")
    kept, gone = store.run(experiment), store.run(experiment)
    store.tracking.delete_run(gone)
    store.days_pass(29)
    assert store.garbage.collect() == 0
    assert store.has_run(gone)
    assert len(store.bucket.objects) == 2

    store.days_pass(2)
    assert store.garbage.collect() == 0

    assert not store.has_run(gone)
    assert store.bucket.objects == {f"s3://mlflow/{experiment}/{kept}/artifacts/model.bin"}


def test_each_workspace_is_emptied_and_nothing_of_it_that_was_not_deleted(
    tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    rooms = ("vision", "nlp", "default")
    make(create_engine(f"sqlite:///{tmp_path}/mlflow.db"), "mlflow", rooms)
    store = Store(tmp_path, bucket, rooms)
    kept: set[str] = set()
    for room in rooms:
        with ServerWorkspaceContext(room):
            experiment, gone = store.experiment("e"), store.experiment("gone")
            stays, leaves = store.run(experiment), store.run(experiment)
            store.run(gone)
            store.tracking.delete_run(leaves)
            store.tracking.delete_experiment(gone)
            kept.add(f"s3://mlflow/workspaces/{room}/{experiment}/{stays}/artifacts/model.bin")
    store.days_pass(31)
    bucket.objects.add("s3://mlflow/workspaces/vision/99/model.bin")
    assert store.garbage.collect() == 0
    assert bucket.objects == {*kept, "s3://mlflow/workspaces/vision/99/model.bin"}


def test_a_run_that_was_restored_stays(store: Store) -> None:
    run = store.run(store.experiment("e"))
    store.tracking.delete_run(run)
    store.days_pass(31)
    store.tracking.restore_run(run)
    assert store.garbage.collect() == 0
    assert store.has_run(run)
    assert store.bucket.objects


def test_what_leaves_is_in_the_audit_trail(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    experiment = store.experiment("e")
    run = store.run(experiment)
    store.tracking.delete_run(run)
    store.days_pass(31)
    with caplog.at_level(logging.INFO, "mlflow_platform.audit"):
        store.garbage.collect()
        store.garbage.collect()
    (line,) = [json.loads(record.message) for record in caplog.records if record.name == "mlflow_platform.audit"]
    assert line | {"time": ""} == {
        "time": "",
        "event": "deleted for good",
        "kind": "run",
        "id": run,
        "name": "a run",
        "experiment": experiment,
    }


def test_a_deleted_experiment_leaves_with_its_runs_models_and_whatever_was_in_its_folder(store: Store) -> None:
    experiment, other = store.experiment("e"), store.experiment("other")
    store.run(experiment)
    store.model(experiment)
    store.tracking.delete_logged_model(store.model(experiment))
    store.bucket.objects.add(f"s3://mlflow/{experiment}/traces/tr-1/artifacts/traces.json")
    store.run(other)
    store.tracking.delete_experiment(experiment)
    store.days_pass(31)
    assert store.garbage.collect() == 0
    assert store.experiments == {other}
    assert [place for place in store.bucket.objects if not place.startswith(f"s3://mlflow/{other}/")] == []
    assert store.bucket.objects


def test_a_folder_that_was_chosen_for_an_experiment_is_not_emptied_for_others_may_be_in_it(store: Store) -> None:
    theirs = store.experiment("theirs")
    victim = store.run(theirs)
    mine = store.experiment("mine", f"s3://mlflow/{theirs}")
    store.run(mine)
    store.model(mine)
    store.tracking.delete_experiment(mine)
    store.days_pass(31)
    assert store.garbage.collect() == 0
    assert store.experiments == {theirs}
    assert store.bucket.objects == {f"s3://mlflow/{theirs}/{victim}/artifacts/model.bin"}


def test_an_experiment_with_a_run_that_was_restored_stays(store: Store) -> None:
    experiment = store.experiment("e")
    run = store.run(experiment)
    store.tracking.delete_experiment(experiment)
    store.tracking.restore_run(run)
    store.days_pass(31)
    assert store.garbage.collect() == 0
    assert store.has_run(run)
    assert store.bucket.objects


def test_what_a_registered_model_needs_stays_until_it_goes(store: Store) -> None:
    experiment = store.experiment("e")
    run, model = store.run(experiment), store.model(experiment)
    store.registry.create_registered_model("m")
    store.registry.create_model_version("m", f"runs:/{run}/model", run, [ModelVersionTag("a", "b")])
    store.registry.create_model_version("m", f"models:/{model}", None, model_id=model)
    store.tracking.delete_experiment(experiment)
    store.days_pass(31)
    assert store.garbage.collect() == 0
    assert (store.has_run(run), store.experiments, len(store.bucket.objects)) == (True, {experiment}, 2)

    store.registry.delete_registered_model("m")
    assert store.garbage.collect() == 0
    assert (store.has_run(run), store.experiments, store.bucket.objects) == (False, set(), set())


@pytest.mark.parametrize("place", ["s3://somebody-elses", "http://example.org"])
def test_what_cannot_be_deleted_stays_and_keeps_nothing_else(
    store: Store, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned, experiment = store.experiment("poisoned", place), store.experiment("e")
    stuck, gone = store.run(poisoned), store.run(experiment)
    store.tracking.delete_experiment(poisoned)
    store.tracking.delete_run(gone)
    store.bucket.refuses = "s3://somebody-elses"
    store.days_pass(31)
    assert store.garbage.collect() == 1
    assert (store.has_run(stuck), store.has_run(gone)) == (True, False)
    assert f"the deleted run {stuck} cannot leave" in caplog.text


def test_a_run_stays_as_long_as_one_of_its_artifacts_does(store: Store) -> None:
    experiment = store.experiment("e")
    run = store.run(experiment)
    store.bucket.keeps = f"s3://mlflow/{experiment}/{run}/artifacts/model.bin"
    store.tracking.delete_run(run)
    store.days_pass(31)
    assert store.garbage.collect() == 1
    assert store.has_run(run)
    store.bucket.keeps = None
    assert store.garbage.collect() == 0
    assert not store.has_run(run)
