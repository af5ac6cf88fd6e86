"""`./platform` compares what was made with what is there: it mends, names what it cannot, and lets strangers be."""

import subprocess
from itertools import takewhile
from pathlib import Path

import docker
import pytest

from tests.e2e.checkouts import until_well
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.stack import Stack

pytestmark = pytest.mark.e2e


def there(stack: Stack) -> dict[str, str]:
    """Every container, network and volume of the stack, with what shows that it is still the same."""
    host, label = docker.from_env(), {"label": f"mlflow-platform.stack={stack.name}"}
    containers = {f"container {c.name}": f"{c.id} {c.status}" for c in stack.all_containers()}
    networks = {f"network {found.name}": str(found.id) for found in host.networks.list(filters=label)}
    volumes = {f"volume {found.name}": found.attrs["CreatedAt"] for found in host.volumes.list(filters=label)}
    return {**containers, **networks, **volumes}


def states(shown: subprocess.CompletedProcess[str], stack: Stack) -> dict[str, str]:
    """The state by service, of all that `status` does not show to be running."""
    rows = [line.split() for line in takewhile(str.strip, shown.stdout.splitlines()[1:])]
    found = {" ".join(row[:-3] if row[-3] == "missing" else row[:1]): row for row in rows}
    prefix = f"mlflow-{stack.name}-"
    return {name.replace(prefix, ""): "missing" if "missing" in row else row[1] for name, row in found.items()}


def test_up_makes_what_vanished_starts_what_stopped_and_status_tells_both(platform: Platform):
    stack = platform.stack
    stack.container("mlflow").remove(force=True, v=True)
    stack.container("minio-1").stop(timeout=20)
    before = stack.platform("status")
    assert before.returncode == 1
    assert {"mlflow": "missing", "minio-1": "exited"}.items() <= states(before, stack).items()

    done = stack.platform("up")

    assert done.returncode == 0, done.stderr
    assert f"container mlflow-{stack.name}-mlflow has vanished from Docker" in done.stderr
    assert f"start what was stopped: mlflow-{stack.name}-minio-1" in done.stderr
    assert "+ Container mlflow: " in done.stdout and " 1 created" in done.stdout
    until_well(lambda: stack.platform("status"))
    token = platform.token("dev")
    assert platform.ask(token, "GET", "/api/2.0/mlflow/users/current").status_code == 200
    platform.objects(token)
    assert set(stack.refresh()) == set(stack.preview()) == {"same"}


def test_up_on_a_stack_that_is_well_says_that_it_is(platform: Platform):
    before = there(platform.stack)
    done = platform.stack.platform("up")
    assert done.returncode == 0, done.stderr
    assert "MLflow reaches its databases, bucket and Keycloak's keys" in done.stderr
    assert there(platform.stack) == before
    assert not [secret for secret in platform.stack.passwords().values() if secret in done.stdout + done.stderr]


@pytest.mark.slow
def test_up_fails_with_what_does_not_answer_and_where_to_look(platform: Platform):
    """MinIO cut off from the network is healthy by its own word, and nobody reaches it."""
    network, minio = f"mlflow-{platform.stack.name}", f"mlflow-{platform.stack.name}-minio-1"
    subprocess.run(["docker", "network", "disconnect", network, minio], check=True)
    try:
        failed = platform.stack.platform("up")
    finally:
        aliases = ["--alias", "minio-1", "--alias", "minio"]
        subprocess.run(["docker", "network", "connect", *aliases, network, minio], check=True)
    assert failed.returncode == 1
    said = failed.stderr.splitlines()[-1]
    assert f"S3 ({platform.outputs['s3_endpoint_url']}) is not well" in said
    assert f"docker logs {minio}" in said
    assert platform.stack.platform("up").returncode == 0


def test_a_stack_that_another_checkout_has_the_state_of_is_named_and_left_alone(platform: Platform, tmp_path: Path):
    stack, elsewhere = platform.stack, {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    before = there(stack)

    refused = stack.platform("up", **elsewhere)

    assert refused.returncode == 1
    said = refused.stderr.splitlines()[-1]
    networks = f"networks mlflow-{stack.name}, mlflow-{stack.name}-database"
    for name in (f"mlflow-{stack.name}-postgres", networks, "; since 20"):
        assert name in said
    for way in ("passphrase", f"./platform destroy --stack {stack.name} --leftovers", "another prefix"):
        assert way in said
    asked = stack.platform("destroy", "--leftovers", **elsewhere)
    assert (asked.returncode, "--yes" in asked.stderr) == (1, True)
    shown = stack.platform("status", **elsewhere)
    assert (shown.returncode, f"no state of stack {stack.name}" in shown.stderr) == (0, True)
    mine = stack.platform("destroy", "--leftovers", "--yes")
    assert (mine.returncode, "has a state" in mine.stderr) == (1, True)
    assert there(stack) == before


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_data_that_are_to_be_kept_are_given_up_on_demand_only(has_pulumi: None, tmp_path: Path):
    with brought_up(tmp_path, {"keep_data": True}) as stack:
        volume = f"mlflow-{stack.name}-postgres"
        stack.container("postgres").remove(force=True)
        docker.from_env().volumes.get(volume).remove()
        before = there(stack)
        refused = stack.platform("up")
        assert (refused.returncode, there(stack)) == (1, before)
        assert f"volume {volume} has vanished" in refused.stderr.splitlines()[-1]
        anew = stack.platform("up", "--accept-loss")
        assert anew.returncode == 0, anew.stderr
        platform = Platform(stack, stack.outputs())
        assert platform.objects(platform.token("dev")) == set()
        assert set(stack.preview()) == {"same"}

        stack.destroy()  # Pulumi's own, which goes by the setting

        kept = there(stack)
        with_data = ("backup", "backup-place", "minio-1-data1", "postgres")
        assert sorted(kept) == [f"volume mlflow-{stack.name}-{name}" for name in with_data]
        refused = stack.platform("up")
        assert (refused.returncode, there(stack)) == (1, kept)
        assert volume in refused.stderr.splitlines()[-1]
        assert stack.platform("destroy", "--leftovers", "--yes").returncode == 0
        assert there(stack) == {}
        again = stack.platform("up")
        assert again.returncode == 0, again.stderr
        gone = stack.platform("destroy", "--yes", "--delete-data")
        assert gone.returncode == 0, gone.stderr
        assert there(stack) == {}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_stack_that_was_taken_down_comes_back_with_its_data_and_goes_with_them_on_demand(
    has_pulumi: None, tmp_path: Path
):
    with brought_up(tmp_path) as stack:
        platform = Platform(stack, stack.outputs())
        token = platform.token("dev")
        named = {"name": "kept"}
        assert platform.ask(token, "POST", "/api/2.0/mlflow/experiments/create", json=named).status_code == 200
        platform.s3(token).put_object(Bucket="mlflow", Key="kept", Body=b"weights")
        passwords = stack.passwords()
        volumes = {name for name in there(stack) if name.startswith("volume ")}

        down = stack.platform("destroy", "--yes")

        assert down.returncode == 0, down.stderr
        assert there(stack).keys() == volumes  # Docker dates a volume by its folder, which a server changes as it ends
        assert f"mlflow-{stack.name}-postgres" in down.stderr.splitlines()[-1]
        assert stack.platform("destroy", "--yes").returncode == 0
        shown = stack.platform("status")
        assert (shown.returncode, "has no containers" in shown.stderr) == (1, True)

        again = stack.platform("up")

        assert again.returncode == 0, again.stderr
        assert stack.passwords() == passwords
        token = platform.token("dev")
        path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept"
        found = platform.ask(token, "GET", path)
        assert found.status_code == 200
        assert "kept" in platform.objects(token)
        assert set(stack.preview()) == set(stack.refresh()) == {"same"}

        stack.container("keycloak").remove(force=True, v=True)
        gone = stack.platform("destroy", "--yes", "--delete-data")
        assert gone.returncode == 0, gone.stderr
        assert f"mlflow-{stack.name}-postgres" in gone.stdout
        assert there(stack) == {}
        assert not [secret for secret in passwords.values() if secret in down.stderr + again.stderr + gone.stderr]
