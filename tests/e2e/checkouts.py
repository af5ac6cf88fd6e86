"""`./platform` as an operator runs it, in checkouts that are made for a test."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import docker

ROOT = Path(__file__).parents[2]
_PROGRAM = ("Pulumi.yaml", "__main__.py", "components", "images", "plugin")
_LAUNCHER = ("offline", "requirements", ".venv")


def checkout(folder: Path) -> Path:
    """The program in a folder of its own, without any stack's file."""
    folder.mkdir(exist_ok=True)
    for part in _PROGRAM:
        if not (folder / part).exists():
            (folder / part).symlink_to(ROOT / part)
    return folder


def _made_whole(program: Path) -> None:
    if not (program / "platform").exists():
        for part in _LAUNCHER:
            (program / part).symlink_to(ROOT / part)
        shutil.copytree(ROOT / "launcher", program / "launcher")  # which finds the checkout by where it lies
        shutil.copy2(ROOT / "platform", program)


def launched(program: Path, command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs `./platform` in a checkout, which is made whole for that."""
    _made_whole(program)
    return subprocess.run(
        ["./platform", command, *arguments],
        cwd=program,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def left_of(stack: str) -> list[str]:
    """What Docker has under a stack's name."""
    host, label = docker.from_env(), f"mlflow-platform.stack={stack}"
    containers = host.containers.list(all=True, filters={"label": label})
    networks, volumes = host.networks.list(filters={"label": label}), host.volumes.list(filters={"label": label})
    return [str(thing.name) for thing in [*containers, *networks, *volumes]]


def killed(program: Path, words: str, command: str, *arguments: str, **variables: str) -> None:
    """The same, killed with all its children when it prints a line with these words."""
    _made_whole(program)
    with subprocess.Popen(
        ["./platform", command, *arguments],
        cwd=program,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as job:
        assert job.stdout
        printed: list[str] = []
        for line in job.stdout:
            printed.append(line)
            if words in line:
                os.killpg(job.pid, signal.SIGKILL)
                return
    raise AssertionError("".join(printed))


def until_well(status: Callable[[], subprocess.CompletedProcess[str]], within: float = 120) -> None:
    """What has just come up again makes its next backup within seconds."""
    deadline = time.monotonic() + within
    while (shown := status()).returncode:
        assert time.monotonic() < deadline, shown.stdout + shown.stderr
        time.sleep(3)
