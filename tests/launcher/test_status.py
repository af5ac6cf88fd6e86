"""What was made, read from Pulumi's state, and what of it Docker has."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from launcher import cli, inventory, prepare, state, status
from launcher.console import Failure
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.stack import Stack
from launcher.state import State
from tests.launcher.deployment import CONTAINER, PROJECT, FakeDocker, deployed, everything, urn


def test_health_is_read_from_what_docker_says(programs: Callable[[str, str], Path]):
    labels = "other=1,mlflow-platform.prefix=p,mlflow-platform.stack=dev"
    lines = [
        {"ID": "1", "Names": "p-mlflow", "State": "running", "Status": "Up 3 minutes (healthy)"},
        {"ID": "2", "Names": "p-gateway", "State": "running", "Status": "Up 3 seconds (health: starting)"},
        {"ID": "3", "Names": "p-minio", "State": "exited", "Status": "Exited (1) 5 minutes ago"},
        {"ID": "4", "Names": "p-postgres", "State": "running", "Status": "Up 3 minutes"},
    ]
    shown = "\n".join(f"echo '{json.dumps({**line, 'Labels': labels})}'" for line in lines)
    programs("docker", f'test "$1" = ps || exit 0\n{shown}')
    found = {part.name: (part.state, part.health, part.well) for part in status.parts("dev", None, inventory.things())}
    assert found == {
        "p-gateway": ("running", "starting", False),
        "p-minio": ("exited", "-", False),
        "p-mlflow": ("running", "healthy", True),
        "p-postgres": ("running", "-", True),
    }


def test_what_the_state_names_and_docker_lacks_is_missing():
    made = deployed()
    there = everything(made, "container mlflow", "volume postgres")
    other = Thing("container", "9", "q-mlflow", "dev", "q")
    missing = [part.name for part in status.parts("dev", made, [*there, other]) if part.state == "missing"]
    assert missing == ["p-mlflow", "volume p-postgres"]
    assert [part.name for part in status.parts("dev", None, [other])] == ["q-mlflow"]


def test_status_shows_what_docker_has_where_there_is_no_state(
    daemon: FakeDocker, monkeypatch: pytest.MonkeyPatch, paths: Paths, capsys: pytest.CaptureFixture[str]
):
    (paths.root / "Pulumi.yaml").write_text(PROJECT)
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(Paths, "of_this_checkout", lambda: paths)
    daemon.shown(everything(deployed()))
    assert cli.main(["status"]) == 0
    printed = capsys.readouterr()
    assert "no state of stack dev" in printed.err
    assert "p-gateway" in printed.out

    (folder := paths.own / "state/.pulumi/stacks/mlflow-platform").mkdir(parents=True)
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": deployed().deployment}}))
    daemon.shown(everything(deployed(), "container mlflow"))
    assert cli.main(["status"]) == 1
    assert "p-mlflow    missing" in capsys.readouterr().out


def test_status_asks_pulumi_for_a_state_elsewhere_and_goes_without_where_there_is_none(
    daemon: FakeDocker, monkeypatch: pytest.MonkeyPatch, checkout: Paths, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(Paths, "of_this_checkout", lambda: checkout)
    monkeypatch.setattr(prepare, "stack", lambda *_, **__: Stack("dev", checkout.root, checkout.own, {}))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    daemon.shown(everything(deployed(), "container mlflow"))
    monkeypatch.setattr(Stack, "state", lambda self: deployed())
    assert cli.main(["status"]) == 1
    assert "p-mlflow    missing" in capsys.readouterr().out

    def unknown(self: Stack) -> State:
        raise Failure("no stack named dev found")

    monkeypatch.setattr(Stack, "state", unknown)
    assert cli.main(["status"]) == 0
    assert "no state of stack dev" in capsys.readouterr().err


def test_the_state_is_read_from_its_file_and_a_state_elsewhere_is_not_guessed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    folder = tmp_path / ".pulumi" / "stacks" / "mlflow-platform"
    folder.mkdir(parents=True)
    content = json.dumps({"version": 3, "checkpoint": {"latest": deployed().deployment}}).encode()
    (folder / "plain.json").write_bytes(content)
    (folder / "small.json.gz").write_bytes(gzip.compress(content))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}")
    for stack in ("plain", "small"):
        found = state.on_disk(tmp_path, tmp_path, stack)
        assert found and found.prefix == "p"
    assert state.on_disk(tmp_path, tmp_path, "none") is None
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    with pytest.raises(LookupError):
        state.on_disk(tmp_path, tmp_path, "plain")


def test_outputs_are_read_with_their_secrets_where_the_state_shows_them():
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    shown, hidden = {**secret, "plaintext": '{"ada": "x"}'}, {**secret, "ciphertext": "v1:..."}
    outputs = {"url": "http://a", "users": shown, "root": hidden, "list": [shown]}
    found = State({"resources": [{"urn": "u", "type": "pulumi:pulumi:Stack", "outputs": outputs}]}).outputs
    assert found == {"url": "http://a", "users": {"ada": "x"}, "root": None, "list": [{"ada": "x"}]}


def test_nothing_names_what_the_state_has_forgotten():
    before = deployed()
    gone = urn(CONTAINER, "postgres")
    after = before.without([gone])
    assert gone not in json.dumps(after.deployment)
    assert len(after.resources) == len(before.resources) - 1
