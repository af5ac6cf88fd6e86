"""Where this server reads and writes artifacts: in the object store, never on its own disk."""

from mlflow.store.artifact import artifact_repository_registry as registry

SCHEMES = frozenset({"s3", "runs", "models", "mlflow-artifacts"})  # the last three lead to one of the first


def object_store_only() -> None:
    """Takes MLflow's other artifact repositories out of this process.

    Whoever may create an experiment or tag a trace may name any artifact location, `file:///run` included, and MLflow
    (3.17.2) would then read and write there on request. Without a repository for it there is nothing to ask.
    """
    repositories = registry._artifact_repository_registry._registry
    for scheme in set(repositories) - SCHEMES:
        del repositories[scheme]
