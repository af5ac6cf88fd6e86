"""The workspaces that the stack names, in MLflow's own tables (3.17.2)."""

from collections.abc import Sequence

from mlflow.entities import Workspace
from mlflow.store.tracking.dbmodels.models import SqlExperiment
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from sqlalchemy import Engine, select

from mlflow_platform.server.settings import DEFAULT_WORKSPACE, SettingsError


def make(engine: Engine, bucket: str, workspaces: Sequence[str]) -> None:
    """Each with its experiment `Default`, in which a client logs that names none. What is there stays as it is.

    Raises SettingsError where no workspace is named any more and some have experiments: MLflow would not start.
    """
    if not workspaces:
        with engine.connect() as connection:
            left = set(connection.scalars(select(SqlExperiment.workspace).distinct())) - {DEFAULT_WORKSPACE}
        if left:
            raise SettingsError(
                f"the stack names no workspaces, but there are experiments in {', '.join(sorted(left))}; name them in "
                "workspaces again"
            )
        return
    tracking = WorkspaceAwareSqlAlchemyStore(engine.url.render_as_string(hide_password=False), f"s3://{bucket}")
    known = tracking._get_workspace_provider_instance()
    there = {workspace.name for workspace in known.list_workspaces()}
    for name in workspaces:
        if name not in there:
            known.create_workspace(Workspace(name=name))
        with tracking.ManagedSessionMaker(read_only=False) as session:
            tracking._create_default_experiment(session, workspace_override=name)
    for opened in (tracking.engine, known._engine):  # this process lives on beside the workers, and asks no more
        opened.dispose()
