"""MLflow with one login: the server's half in `server`, the users' half in `client`.

Nothing is imported here, so that the client stays light on a machine without MLflow's server.
"""


def login(*, offline: bool = False) -> None:
    """Logs you in to the platform at MLFLOW_TRACKING_URI; does nothing while you are logged in.

    A notebook shows a link and waits, a terminal does as `mlflow-platform login` does. With `offline` the login
    outlives your session in Keycloak.
    """
    from mlflow_platform.client.login import ensure_logged_in

    ensure_logged_in(offline=offline)
