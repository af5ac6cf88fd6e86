"""The server's processes, all from one image in memory: `python -m mlflow_platform.server.processes`.

MLflow's command starts its server, the server its workers, and a job runner starts a consumer of periodic tasks: five
processes that import the same, 160 to 190 MB each. Here the process of MLflow's command becomes one that imports it
once; the others are forked from it, and share what they do not change.
"""

import gc
import importlib
import json
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from socket import socket
from typing import Any

from uvicorn import _subprocess
from uvicorn.config import Config
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess

from mlflow_platform.server import retention
from mlflow_platform.server.successor import RUNNER_VARIABLE

RUNNER = "mlflow.server.jobs._executor_runner"
JOB = "mlflow_platform.server.within.one_job"  # what the runner starts for each
# What the others import sooner or later, and what of it is most of their memory.
SHARED = ("mlflow_platform.server.app", "mlflow.server.fastapi_app", RUNNER, "huey.bin.huey_consumer", "boto3")
PAUSE = 1.0  # seconds before a process that ended is forked anew
PATIENCE = 5.0  # seconds in which the jobs' processes end by themselves


class Family(Multiprocess):
    """uvicorn's supervisor of workers, who looks after the two processes of jobs as well."""

    def __init__(self, config: Config, sockets: list[socket], jobs: Mapping[str, str] | None):
        super().__init__(config, sockets)
        self._programs = [] if jobs is None else [_runner(jobs), _periodic_tasks(jobs)]
        self._running: dict[int, BaseProcess] = {}
        self._not_before = dict.fromkeys(range(len(self._programs)), 0.0)

    def init_processes(self) -> None:
        gc.collect()
        gc.freeze()  # a collection in a child would write to every object that they share
        super().init_processes()
        self._start_others()
        retention.in_rounds()  # a thread; nothing of it is forked but its name

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        if not self.should_exit.is_set():
            self._start_others()

    def terminate_all(self) -> None:
        for process in self._running.values():
            process.terminate()
        super().terminate_all()

    def join_all(self) -> None:
        super().join_all()
        for process in self._running.values():
            process.join(PATIENCE)
            process.kill()

    def _start_others(self) -> None:
        now = time.monotonic()
        for number, program in enumerate(self._programs):
            running = self._running.get(number)
            if (running and running.is_alive()) or now < self._not_before[number]:
                continue
            process = _subprocess.spawn.Process(target=self._become, args=program)
            process.start()
            self._running[number], self._not_before[number] = process, now + PAUSE

    def _become(self, module: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for each in self.sockets:
            each.close()
        os.environ.update(environment)
        from mlflow.server.jobs import utils

        utils._launch_periodic_tasks_consumer = lambda: None  # it is this family's own
        utils._JOB_ENTRY_MODULE = JOB
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _runner(jobs: Mapping[str, str]) -> tuple[str, Sequence[str], Mapping[str, str]]:
    from mlflow.server.constants import MLFLOW_SERVER_UP_TIME

    since = str(int(time.time() * 1000))
    return RUNNER, [], {**jobs, "MLFLOW_SERVER_PID": str(os.getpid()), MLFLOW_SERVER_UP_TIME: since}


def _periodic_tasks(jobs: Mapping[str, str]) -> tuple[str, Sequence[str], Mapping[str, str]]:
    """As MLflow would start it; it is asked for the command, so that what it means by it stays its own."""
    from mlflow.server.jobs import utils

    noted: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def note(command: Sequence[str], *, extra_env: Mapping[str, str], **_: object) -> None:
        noted.append((command, extra_env))

    start = getattr(utils, "_exec_cmd")  # noqa: B009
    setattr(utils, "_exec_cmd", note)  # noqa: B010
    try:
        utils._start_periodic_tasks_consumer_proc()
    finally:
        setattr(utils, "_exec_cmd", start)  # noqa: B010
    [(command, environment)] = noted
    return command[2], command[3:], {**jobs, **environment}


def _run(app: str, *, app_dir: str | None, **options: Any) -> None:
    """What uvicorn's command calls: here with a supervisor even of one worker."""
    jobs = os.environ.pop(RUNNER_VARIABLE, None)
    config = Config(app, **options)
    Family(config, [config.bind_socket()], json.loads(jobs) if jobs else None).run()


def main(arguments: Sequence[str]) -> None:
    gc.disable()  # until children are forked: less of the memory has holes then, which they would write to
    os.register_at_fork(after_in_child=gc.enable)
    for module in SHARED:
        importlib.import_module(module)
    command = importlib.import_module("uvicorn.main")
    setattr(command, "run", _run)  # noqa: B010
    _subprocess.spawn = multiprocessing.get_context("fork")
    command.main.main(args=list(arguments), prog_name="uvicorn")


if __name__ == "__main__":
    main(sys.argv[1:])
