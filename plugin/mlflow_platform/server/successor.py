"""How MLflow's command becomes the process that all others are forked from.

Neither MLflow nor uvicorn is imported here: with the second in memory the first takes itself for a server.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn, Self

RUNNER_VARIABLE = "MLFLOW_PLATFORM_RUNNER_ENVIRONMENT"


class Successor:
    """Stands for the processes that MLflow's command would start, and becomes the one they are forked from.

    A new program in the same process, because MLflow's command has connections open and has not yet said everything in
    its environment when it imports MLflow.
    """

    def __init__(self) -> None:
        self._arguments: list[str] = []
        self._environment: dict[str, str] = {}
        self.pid = os.getpid()

    def server(self, command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> Self:
        self._arguments = list(command[3:])  # after `python -m uvicorn`
        self._environment |= extra_env
        return self

    def runner(self, environment: Mapping[str, str], _server: int) -> None:
        self._environment[RUNNER_VARIABLE] = json.dumps(dict(environment))

    def wait(self) -> NoReturn:
        sys.stdout.flush()
        sys.stderr.flush()
        command = [sys.executable, "-m", "mlflow_platform.server.processes", *self._arguments]
        os.execve(sys.executable, command, {**os.environ, **self._environment})


def succeed_mlflows_command() -> None:
    """From here on MLflow's command starts nothing, but becomes `processes`."""
    from mlflow import server
    from mlflow.server.jobs import utils

    successor = Successor()
    setattr(server, "_exec_cmd", successor.server)  # noqa: B010
    utils._launch_job_execution_runner = successor.runner
