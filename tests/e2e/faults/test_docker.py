"""Docker itself ends, as with the machine or for a new version of it, and is started again."""

import os
import signal
import time
from pathlib import Path

import docker
import pytest

from tests.e2e.faults.conftest import Faulty, until
from tests.e2e.faults.writers import Writers

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]
HEALED = 300.0  # seconds, of which Keycloak takes most


@pytest.fixture
def daemon(faulty: Faulty) -> int:
    """The process of a daemon that `./platform` started, with nothing in it but this stack."""
    process = int(file.read_text()) if (file := Path("/var/run/docker.pid")).exists() else None
    if "DOCKER_HOST" in os.environ or not process or Path(f"/proc/{process}/cmdline").read_bytes() != b"dockerd\0":
        pytest.skip("the Docker daemon was not started by ./platform: nobody's but its own may be ended")
    names = {container.id for container in faulty.stack.all_containers()}
    others = [str(it.name) for it in docker.from_env().containers.list() if it.id not in names]
    if others:
        pytest.skip(f"other containers would be ended, too: {', '.join(others)}")
    return process


def test_docker_is_started_again_and_everything_with_it(faulty: Faulty, daemon: int):
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        began = time.time()
        os.kill(daemon, signal.SIGTERM)
        until(lambda: not Path(f"/proc/{daemon}").exists(), 120, "the daemon ends")

        shown, begun = faulty.status(), faulty.stack.platform("env")  # `up` would make the small disks large

        assert "No Docker daemon answers; ./platform up starts one." in shown.stderr
        assert begun.returncode == 0, begun.stderr
        assert "start the Docker daemon" in begun.stderr
        faulty.heals(writers, HEALED)
        assert writers.refused_since(began, "metric")
    assert writers.differing() == []
