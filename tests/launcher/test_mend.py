"""What Docker has otherwise than the state says is started, or forgotten and so made anew."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from launcher import losses, mend
from launcher.console import Failure
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.stack import Stack
from launcher.state import State
from tests.launcher.deployment import VOLUME, FakeDocker, deployed, everything, names, urn


@dataclass
class Recorder:
    """What pulumi was told to take for the state."""

    stack: Stack
    imported: list[State] = field(default_factory=list)


@pytest.fixture
def recorder(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found = Recorder(Stack("dev", paths.root, paths.own, {}))
    monkeypatch.setattr(Stack, "replace_state", lambda self, new: found.imported.append(new))
    return found


def test_a_stack_that_is_all_there_is_not_touched(recorder: Recorder, daemon: FakeDocker):
    mend.mend(recorder.stack, deployed(), everything(deployed()), accept_loss=False)
    assert (recorder.imported, daemon.calls()) == ([], [])


def test_a_part_that_vanished_is_forgotten_so_that_it_is_made_anew(recorder: Recorder, daemon: FakeDocker):
    mend.mend(recorder.stack, deployed(), everything(deployed(), "container mlflow"), accept_loss=False)
    assert [made.resource for made in deployed().made if made not in recorder.imported[0].made] == ["mlflow"]
    assert daemon.calls() == []


def test_a_part_that_stopped_is_started_and_paused_ones_go_on(recorder: Recorder, daemon: FakeDocker):
    there = everything(deployed(), stopped=("minio-1",))
    daemon.shown(everything(deployed()))
    mend.mend(recorder.stack, deployed(), there, accept_loss=False)
    paused = [Thing(thing.kind, thing.id, thing.name, "dev", "p", "paused") for thing in there if "gateway" in thing.id]
    mend.mend(recorder.stack, deployed(), [*everything(deployed(), "container gateway"), *paused], accept_loss=False)
    assert daemon.calls() == ["start id-of-minio-1", "unpause id-of-gateway"]
    assert recorder.imported == []


def test_what_cannot_be_started_fails_with_the_reason(recorder: Recorder, programs: Callable[[str, str], Path]):
    programs("docker", "echo 'Bind for 0.0.0.0:5000 failed: port is already allocated' >&2; exit 1")
    there = everything(deployed(), stopped=("gateway",))
    with pytest.raises(Failure, match="cannot start container p-gateway: port 5000 is already in use"):
        mend.mend(recorder.stack, deployed(), there, accept_loss=False)


def test_containers_on_a_network_that_vanished_are_made_anew(recorder: Recorder, daemon: FakeDocker):
    mend.mend(recorder.stack, deployed(), everything(deployed(), "network network"), accept_loss=False)
    assert removed(daemon) == ["gateway", "keycloak", "minio-1", "mlflow"]
    left = {made.resource for made in recorder.imported[0].made}
    assert left == {"network-database", "postgres", "data1", "mlflow-files"}


def test_a_container_is_made_anew_whichever_of_its_networks_vanished(recorder: Recorder, daemon: FakeDocker):
    mend.mend(recorder.stack, deployed(), everything(deployed(), "network network-database"), accept_loss=False)
    assert removed(daemon) == ["keycloak", "mlflow", "postgres"]
    assert {"gateway", "minio-1", "network"} <= {made.resource for made in recorder.imported[0].made}


def test_what_holds_files_is_never_started_and_is_made_anew_when_it_vanished(recorder: Recorder, daemon: FakeDocker):
    mend.mend(recorder.stack, deployed(), everything(deployed(), "container mlflow-files"), accept_loss=False)
    assert [made.resource for made in deployed().made if made not in recorder.imported[0].made] == ["mlflow-files"]
    mend.mend(recorder.stack, deployed(), everything(deployed()), accept_loss=False)
    assert daemon.calls() == []


def removed(daemon: FakeDocker) -> list[str]:
    calls = [call.split() for call in daemon.calls()]
    return sorted(call[-1].removeprefix("id-of-") for call in calls if call[:3] == ["rm", "--force", "--volumes"])


def test_what_was_on_a_volume_that_vanished_is_gone_and_what_has_a_volume_of_its_own_is_not():
    gone = names(losses.lived_on(deployed(), {urn(VOLUME, "postgres")}))
    assert gone == {"postgres", "database", "keycloak", "realm", "mlflow", "mlflow-files"}
    assert names(losses.lived_on(deployed(), {urn(VOLUME, "data1")})) == {"data1", "minio-1", "bucket"}
    assert losses.lived_on(deployed(), set()) == set()


def test_a_server_with_drives_left_has_lost_nothing(recorder: Recorder, daemon: FakeDocker):
    made = deployed(drives=2)
    assert losses.lived_on(made, {urn(VOLUME, "data1")}) == set()
    mend.mend(recorder.stack, made, everything(made, "volume data1", "container minio-1"), accept_loss=False)
    assert "bucket" in {found["urn"].rpartition("::")[2] for found in recorder.imported[0].resources}


def test_data_that_vanished_begin_anew_where_they_were_not_to_be_kept(
    recorder: Recorder, daemon: FakeDocker, capsys: pytest.CaptureFixture[str]
):
    there = everything(deployed(), "volume postgres", "container postgres")
    mend.mend(recorder.stack, deployed(), there, accept_loss=False)
    left = {found["urn"].rpartition("::")[2] for found in recorder.imported[0].resources}
    assert not left & {"database", "realm", "mlflow"}
    assert "the data on volume p-postgres have vanished with it" in capsys.readouterr().err


def test_data_that_were_to_be_kept_are_not_given_up_without_a_word(recorder: Recorder, daemon: FakeDocker):
    kept = State({"resources": [{**resource, "retainOnDelete": True} for resource in deployed().resources]})
    there = everything(kept, "volume postgres", "container postgres")
    with pytest.raises(Failure, match=r"volume p-postgres has vanished.*restore.*--accept-loss.*nothing was changed"):
        mend.mend(recorder.stack, kept, there, accept_loss=False)
    assert (recorder.imported, daemon.calls()) == ([], [])
    mend.mend(recorder.stack, kept, there, accept_loss=True)
    assert len(recorder.imported) == 1


def test_a_stranger_with_a_parts_name_is_left_alone(recorder: Recorder, daemon: FakeDocker):
    there = [*everything(deployed(), "container mlflow"), Thing("container", "other", "p-mlflow", "dev", "p")]
    with pytest.raises(Failure, match="docker rm --force p-mlflow"):
        mend.mend(recorder.stack, deployed(), there, accept_loss=False)
    assert (recorder.imported, daemon.calls()) == ([], [])


def test_a_volume_that_vanished_while_the_stack_was_down_is_not_guessed_about(recorder: Recorder, daemon: FakeDocker):
    down = deployed().without({made.urn for made in deployed().made if made.kind != "volume"})
    with pytest.raises(Failure, match=r"p-postgres has vanished .* was down.*--delete-data; nothing was changed"):
        mend.mend(recorder.stack, down, everything(down, "volume postgres"), accept_loss=True)
    assert (recorder.imported, daemon.calls()) == ([], [])
