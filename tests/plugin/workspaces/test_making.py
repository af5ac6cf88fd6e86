"""The stack's list becomes MLflow's workspaces, on a database that may have lived without."""

from pathlib import Path

import pytest
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.store.workspace.dbmodels.models import SqlWorkspace
from mlflow_platform.server.settings import SettingsError
from mlflow_platform.server.within.workspaces import make
from sqlalchemy import Engine, create_engine, select


@pytest.fixture
def lived(tmp_path: Path) -> Engine:
    """With an experiment that was made before there was any workspace."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    SqlAlchemyStore(uri, "s3://mlflow").create_experiment("older")
    return create_engine(uri)


def experiments(engine: Engine) -> set[tuple[str, str, str]]:
    with engine.connect() as connection:
        found = select(SqlExperiment.workspace, SqlExperiment.name, SqlExperiment.artifact_location)
        return {(row[0], row[1], row[2].removeprefix("s3://mlflow/")) for row in connection.execute(found)}


def names(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(select(SqlWorkspace.name)))


def test_what_is_there_stays_in_the_default_one_where_it_lies(lived: Engine):
    make(lived, "mlflow", ("vision", "nlp", "default"))
    found = experiments(lived)
    assert {("default", "Default", "0"), ("default", "older", "1")} < found
    assert {(room, name) for room, name, _ in found} == {
        ("default", "Default"),
        ("default", "older"),
        ("vision", "Default"),
        ("nlp", "Default"),
    }
    assert {place.rpartition("/")[0] for room, _, place in found if room != "default"} == {
        "workspaces/vision",
        "workspaces/nlp",
    }


def test_again_it_changes_nothing_and_one_more_is_one_more(lived: Engine):
    make(lived, "mlflow", ("vision", "default"))
    before = experiments(lived)
    make(lived, "mlflow", ("vision", "default"))
    assert experiments(lived) == before
    make(lived, "mlflow", ("nlp", "default"))
    assert names(lived) == {"default", "vision", "nlp"}  # one that is named no more keeps what is in it
    assert before < experiments(lived)


def test_without_any_nothing_is_made(lived: Engine):
    before = experiments(lived)
    make(lived, "mlflow", ())
    assert (experiments(lived), names(lived)) == (before, {"default"})


def test_the_last_one_is_not_taken_away_with_what_is_in_it(lived: Engine):
    make(lived, "mlflow", ("vision", "nlp", "default"))
    with pytest.raises(SettingsError, match="there are experiments in nlp, vision; name them in workspaces again"):
        make(lived, "mlflow", ())
