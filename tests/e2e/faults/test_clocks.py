"""Users whose clocks are two minutes off, either way: they log in, log a run and upload, as anybody does."""

import io
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import docker
import pytest

from tests.e2e.faults.conftest import Faulty

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
_DOCKERFILE = """\
FROM {image}
LABEL org.opencontainers.image.title="a user's machine for tests, whose clock is wrong"
USER 0:0
RUN apt-get update && apt-get install -y --no-install-recommends libfaketime
RUN python -m pip install --no-cache-dir {packages}
"""
_OF_THE_CLIENT = ("filelock", "platformdirs", "segno")  # which a server does without
# As on a machine of which the clock alone is wrong; time passes there as it does anywhere.
_RUN = """\
#!/bin/sh
exec docker run --rm --interactive --network=host --user=0:0 --volume="$HOME:$HOME" --env=HOME --env=XDG_STATE_HOME \\
    --env=MLFLOW_TRACKING_URI --env=LD_PRELOAD={library} --env=FAKETIME={offset} --env=FAKETIME_DONT_FAKE_MONOTONIC=1 \\
    --entrypoint={program} {image} "$@"
"""
_LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_JOB = """
import mlflow, time
from mlflow.tracking import MlflowClient
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    mlflow.log_text("by a clock that is wrong", "note.txt")
print(run.info.run_id, time.time(), MlflowClient().get_run(run.info.run_id).data.metrics["loss"],
      mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt"), sep="|")
"""


@pytest.fixture(scope="module")
def machine(faulty: Faulty) -> Iterator[str]:
    """The image of a user's machine: MLflow's own has the client, too, but for what that stands on."""
    host = docker.from_env()
    of = faulty.stack.container("mlflow").attrs["Config"]["Image"]
    packages = " ".join(f"{name}=={version(name)}" for name in _OF_THE_CLIENT)
    dockerfile = _DOCKERFILE.format(image=of, packages=packages)
    image, _ = host.images.build(fileobj=io.BytesIO(dockerfile.encode()), rm=True)
    yield str(image.id)
    host.images.remove(str(image.id), force=True)


@pytest.mark.parametrize("offset", ["+2m", "-2m"])
def test_a_client_whose_clock_is_two_minutes_off_logs_in_and_works(
    faulty: Faulty, machine: str, offset: str, tmp_path: Path
):
    def command(program: str) -> Path:
        script = tmp_path / program
        script.write_text(_RUN.format(image=machine, program=program, offset=offset, library=_LIBRARY))
        script.chmod(0o755)
        return script

    platform = faulty.platform
    home = tmp_path / "home"
    platform.log_in("dev", home, program=command("mlflow-platform"))
    environment = platform.environment(HOME=str(home), XDG_STATE_HOME=str(home))
    began = time.time()
    printed = platform.run([str(command("python")), "-c", _JOB], environment)
    run, clock, loss, note = printed.splitlines()[-1].split("|")
    assert abs(float(clock) - began) > 60  # else this showed nothing
    assert (loss, note.strip()) == ("0.5", "by a clock that is wrong")
    assert platform.ask(platform.token("vera"), "GET", f"/api/2.0/mlflow/runs/get?run_id={run}").status_code == 200
