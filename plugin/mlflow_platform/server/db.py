"""`mlflow db` for whoever runs the platform, in its container: `python -m mlflow_platform.server.db COMMAND ...`.

MLflow takes the database's address from its command line, with the password in it; here it is the file's of secrets.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow_platform.server.settings import SECRETS, SettingsError, load_secrets, load_settings, secret


def main(arguments: Sequence[str], secrets: Path = SECRETS) -> None:
    """Runs the command, and ends the process as it does."""
    load_secrets(secrets)
    os.environ.update(load_settings().environment)
    from mlflow.db import commands

    command, *options = arguments or ["--help"]
    database = [] if command == "--help" else [secret("MLFLOW_BACKEND_STORE_URI")]
    commands.main(args=[command, *database, *options], prog_name="mlflow db")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SettingsError as error:
        sys.exit(f"mlflow-platform: {error}")
