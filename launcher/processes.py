"""Runs other programs: quietly with a log that explains a failure, or for their answer."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from launcher.console import Failure, duration, say
from launcher.explain import cause

_HEARTBEAT = 20.0
_TAIL_LINES = 15
_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()


def run_logged(
    what: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: Path | None = None,
) -> None:
    """Runs a command to its end with its output in `log`; a failure names the cause, or shows the log's tail."""
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("wb") as output, (stdin or Path(os.devnull)).open("rb") as source:
        # A group of its own, so that an interrupt ends the command with all its children, and at our word only.
        process = subprocess.Popen(
            command, stdin=source, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd, process_group=0
        )
        with _running_lock:
            _running.add(process)
        try:
            while True:
                try:
                    code = process.wait(_HEARTBEAT)
                    break
                except subprocess.TimeoutExpired:
                    say(f"   ... {what}, {duration(time.monotonic() - started)} (log: {log})")
        finally:
            with _running_lock:
                _running.discard(process)
    if code:
        raise Failure(_failure(what, log))


def _failure(what: str, log: Path) -> str:
    text = log.read_text(errors="replace")
    reason = cause(text)
    if reason:
        return f"{what} failed: {reason}. (log: {log})"
    tail = "\n".join(f"    {line}" for line in text.rstrip().splitlines()[-_TAIL_LINES:])
    return f"{what} failed; the end of {log}:\n{tail}"


def stop_running() -> None:
    """Ends what run_logged started and is not done yet."""
    with _running_lock:
        for process in _running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)


def answer(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
) -> str | None:
    """What a command prints, or None when it is missing, fails or takes too long."""
    try:
        finished = subprocess.run(
            command,
            env=env,
            cwd=cwd,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except (FileNotFoundError, PermissionError, subprocess.TimeoutExpired):
        return None
    return finished.stdout.strip() if finished.returncode == 0 else None
