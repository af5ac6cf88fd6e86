"""A Docker daemon that answers: the running one, else one installed and started here."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from launcher import apt
from launcher.console import Failure, done, step
from launcher.explain import cause
from launcher.paths import Paths
from launcher.processes import answer, run_logged

_DAEMON_LOG = Path("/var/log/dockerd.log")
_START_TIMEOUT = 60.0


def ensure(paths: Paths, *, install: bool) -> None:
    """Makes sure that a daemon answers; it goes on running when the launcher ends."""
    if version := server_version():
        done(f"Docker {version}")
        return
    if host := os.environ.get("DOCKER_HOST"):
        raise Failure(f"No Docker daemon answers at DOCKER_HOST={host}: start it, or unset DOCKER_HOST.")
    if os.geteuid() != 0:
        raise Failure(
            "No Docker daemon answers to this user: start Docker and join the group docker, or run ./platform as root."
        )
    if not (shutil.which("dockerd") and shutil.which("docker")):
        _install(paths, install)
    if not server_version():  # the package starts it by itself on some machines
        with step("start the Docker daemon"):
            _start(paths)


def server_version() -> str | None:
    return answer(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20) or None


def _install(paths: Paths, allowed: bool) -> None:
    packages = ["docker.io", "iptables", "debootstrap", "ca-certificates"]
    apt.install(paths, packages, why="Docker is not installed", allowed=allowed)
    if not shutil.which("docker") and apt.exists("docker-cli"):  # Debian 13 has the client in a package of its own
        apt.install(paths, ["docker-cli"], why="Docker's client is not installed", allowed=allowed)


def _start(paths: Paths) -> None:
    if apt.has_systemd():
        run_logged("systemctl start docker", ["systemctl", "start", "docker"], paths.logs / "docker-start.log")
        daemon = None
    else:
        with _DAEMON_LOG.open("ab") as log:
            daemon = subprocess.Popen(
                ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if server_version():
            return
        if daemon and daemon.poll() is not None:
            break
        time.sleep(0.3)
    if daemon is None:
        raise Failure("The Docker daemon does not start: journalctl -u docker says why.")
    last = _DAEMON_LOG.read_text(errors="replace").rstrip().rpartition("\n")[2]
    raise Failure(f"The Docker daemon does not start: {cause(last) or last} (log: {_DAEMON_LOG})")
