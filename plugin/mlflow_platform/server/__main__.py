"""The container's entry: `python -m mlflow_platform.server` prepares the databases, then is `mlflow server`."""

import os
import sys
import tempfile
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlflow_platform.server.browser.session_table import METADATA as SESSIONS
from mlflow_platform.server.credentials.limits import METADATA as LOGIN_ATTEMPTS
from mlflow_platform.server.identity.caller import AUTHORIZATION
from mlflow_platform.server.kept import STAMPS_VARIABLE, make_stamps
from mlflow_platform.server.settings import (
    AUTH_DATABASE_VARIABLE,
    KEYCLOAK_EVENTS_VARIABLE,
    SECRETS,
    SESSION_KEY_VARIABLE,
    STORAGE_EVENTS_VARIABLE,
    WEB_CLIENT_SECRET_VARIABLE,
    Settings,
    SettingsError,
    load_secrets,
    load_settings,
)
from mlflow_platform.server.successor import succeed_mlflows_command
from mlflow_platform.server.trail.table import METADATA as EVENTS
from mlflow_platform.server.within import jobs

if TYPE_CHECKING:
    from sqlalchemy import Engine

PORT = 5000
MIGRATION_LOCK = 5_000_317  # any number, of which nobody else makes a lock
NEEDED = (
    "MLFLOW_BACKEND_STORE_URI",
    AUTH_DATABASE_VARIABLE,
    WEB_CLIENT_SECRET_VARIABLE,
    SESSION_KEY_VARIABLE,
    KEYCLOAK_EVENTS_VARIABLE,
    STORAGE_EVENTS_VARIABLE,
)


def auth_config(database_uri: str) -> str:
    """Writes MLflow's auth configuration (a file is all it takes) readable by this user alone; returns its path."""
    config = ConfigParser(interpolation=None)
    config["mlflow"] = {
        "default_permission": "NO_PERMISSIONS",
        # MLflow reads this file with interpolation, in which a percent sign is doubled.
        "database_uri": database_uri.replace("%", "%%"),
        "authorization_function": AUTHORIZATION,
    }
    descriptor, path = tempfile.mkstemp(prefix="mlflow-auth-", suffix=".ini")  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        config.write(file)
    return path


def migrate(backend_uri: str, auth_uri: str) -> None:
    """Brings both databases to this MLflow's schema, once, before any worker looks at them."""
    from mlflow.server.auth.db.utils import migrate as migrate_auth
    from mlflow.store.db.utils import _safe_initialize_tables, _upgrade_db, create_sqlalchemy_engine_with_retry

    backend = create_sqlalchemy_engine_with_retry(backend_uri)
    with one_at_a_time(backend):
        _safe_initialize_tables(backend)
        _upgrade_db(backend)
    backend.dispose()
    auth = create_sqlalchemy_engine_with_retry(auth_uri)
    with one_at_a_time(auth):
        migrate_auth(auth, "head")
        LOGIN_ATTEMPTS.create_all(auth)
        SESSIONS.create_all(auth)
        EVENTS.create_all(auth)
    auth.dispose()


def make_workspaces(backend_uri: str, settings: Settings) -> None:
    """Brings MLflow's tables to the stack's workspaces."""
    from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry

    from mlflow_platform.server.within import workspaces

    backend = create_sqlalchemy_engine_with_retry(backend_uri)
    with one_at_a_time(backend):
        workspaces.make(backend, settings.bucket, settings.workspaces)
    backend.dispose()


@contextmanager
def one_at_a_time(engine: "Engine") -> Iterator[None]:
    """Holds the database's lock of migrations; of servers that start side by side the first migrates, the others wait.

    SQLite has none, and no second server.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({MIGRATION_LOCK})")
        try:
            yield
        finally:  # of a server that was killed PostgreSQL frees it by itself
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})")


def arguments(settings: Settings, port: int = PORT) -> list[str]:
    """The command line for `mlflow`; it shows in process lists, so nothing on it is secret."""
    public = urlsplit(settings.public_url)
    uvicorn = [
        f"--forwarded-allow-ips={settings.forwarded_allow_ips}",
        f"--log-config={Path(__file__).with_name('logging.json')}",
        "--timeout-keep-alive=75",  # longer than the proxy keeps idle connections, so that it never meets a closed one
        # asyncio's own loop leaves Nagle's algorithm on in sockets that uvicorn shares between workers, which holds
        # every answer back for 40 ms; uvloop turns it off.
        "--loop=uvloop",
        "--http=httptools",
        "--no-server-header",
    ]
    return [
        "server",
        "--app-name=keycloak",
        "--host=0.0.0.0",
        f"--port={port}",
        f"--workers={settings.workers}",
        f"--allowed-hosts={public.netloc}",
        f"--cors-allowed-origins={public.scheme}://{public.netloc}",
        f"--default-artifact-root=s3://{settings.bucket}",
        "--no-serve-artifacts",
        f"--uvicorn-opts={' '.join(uvicorn)}",
    ]


def main(secrets: Path = SECRETS, port: int = PORT) -> None:
    """Runs the server in this process: MLflow's command is called, not started, and then becomes the server."""
    load_secrets(secrets)
    settings = load_settings()
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise SettingsError(f"{secrets} lacks {', '.join(missing)}")
    auth_uri = os.environ[AUTH_DATABASE_VARIABLE]
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = auth_config(auth_uri)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["MLFLOW_LOGGING_LEVEL"] = settings.log_level.upper()
    os.environ.update({**jobs.environment(port), **settings.environment})
    os.environ[STAMPS_VARIABLE] = make_stamps()
    migrate(os.environ["MLFLOW_BACKEND_STORE_URI"], auth_uri)
    make_workspaces(os.environ["MLFLOW_BACKEND_STORE_URI"], settings)
    from mlflow.cli import cli

    succeed_mlflows_command()
    cli.main(args=arguments(settings, port), prog_name="mlflow")


if __name__ == "__main__":
    try:
        main()
    except SettingsError as error:
        sys.exit(f"mlflow-platform: {error}")
