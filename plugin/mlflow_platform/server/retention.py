"""What is old enough leaves for good: `python -m mlflow_platform.server.retention`, a round of it.

The container's entry starts a round every hour, as a process of its own: whatever becomes of one, the server goes on.
It asks the databases and the bucket themselves, with MLflow's own users, so that no request of anybody's can start it.
"""

import json
import logging
import logging.config
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from mlflow_platform.server import audit
from mlflow_platform.server.browser import session_table
from mlflow_platform.server.settings import (
    AUTH_DATABASE_VARIABLE,
    SECRETS,
    Settings,
    SettingsError,
    load_secrets,
    load_settings,
    secret,
)
from mlflow_platform.server.trail import table
from mlflow_platform.server.trail.recorder import recording

logger = logging.getLogger("mlflow_platform.server.retention")  # run as a program, it is called __main__

FIRST, EVERY = 60.0, 3600.0  # seconds: after the server's own start, and from one round to the next
_DAY = 86_400_000_000  # microseconds
_LOCK = 0x6D6C666C6F77  # PostgreSQL's advisory locks are numbers; within MLflow's database this one is ours


def in_rounds() -> None:
    """Starts them, for as long as this process lives."""
    Thread(target=_rounds, name="retention", daemon=True).start()


def _rounds() -> None:
    command = [sys.executable, "-m", "mlflow_platform.server.retention"]
    pause = FIRST
    while True:
        time.sleep(pause)
        try:
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"mlflow-platform: a round of retention failed ({error}); the next is in an hour", file=sys.stderr)
        pause = EVERY


@contextmanager
def alone(engine: Engine) -> Iterator[bool]:
    """Whether no other round is under way, in any container: till the block ends, or the process, none begins."""
    if engine.dialect.name != "postgresql":
        yield True
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield bool(connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": _LOCK}))


def sweep_sessions(engine: Engine, settings: Settings, now: float) -> None:
    """Requests do it, too; but nobody may come any more."""
    idle, longest = settings.session_idle_seconds, settings.session_max_seconds
    while session_table.sweep(engine, idle, longest, now) == session_table.SWEPT_AT_ONCE:
        pass


def main(secrets: Path = SECRETS) -> int:
    load_secrets(secrets)
    settings = load_settings()
    logging.config.dictConfig(json.loads(Path(__file__).with_name("logging.json").read_text()))
    logging.getLogger("mlflow_platform").setLevel(settings.log_level.upper())
    os.environ.update(settings.environment)
    os.nice(10)  # requests come first
    database = secret("MLFLOW_BACKEND_STORE_URI")
    with alone(create_engine(database, poolclass=NullPool)) as nobody_else:
        if not nobody_else:
            logger.info("another round of retention is under way")
            return 0
        from mlflow_platform.server.within.garbage import Garbage  # seconds of imports, and only where it is our turn

        ours = create_engine(secret(AUTH_DATABASE_VARIABLE), poolclass=NullPool)
        sweep_sessions(ours, settings, time.time())
        with recording(ours):
            table.sweep(ours, audit.now() - settings.events_days * _DAY)
            failed = Garbage(database, settings.bucket, settings.deleted_days, settings.workspaces).collect()
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SettingsError as error:
        sys.exit(f"mlflow-platform: {error}")
