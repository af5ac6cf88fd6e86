"""What `destroy` takes away, what it leaves, and what it asks."""

from dataclasses import dataclass, field

import pytest

from launcher import cli, destroying, images
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.stack import Stack
from launcher.state import State
from tests.launcher.deployment import FakeDocker, deployed, everything, names

STRANGER = Thing("volume", "q-postgres", "q-postgres", "dev", "q")
SHRUNK = Thing("volume", "p-data9", "p-data9", "dev", "p")


@dataclass
class Pulumi:
    """The state that pulumi has, and what it was told to do."""

    state: State = field(default_factory=deployed)
    calls: list[str] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return names({resource["urn"] for resource in self.state.resources})


@pytest.fixture
def pulumi(checkout: Paths, daemon: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> Pulumi:
    """A stack that is up, in a Docker where there is more."""
    known = Pulumi()

    def replace(_: Stack, state: State) -> None:
        known.state = state

    monkeypatch.setattr(Paths, "of_this_checkout", lambda: checkout)
    monkeypatch.setattr(destroying.prepare, "stack", lambda *_, **__: Stack("dev", checkout.root, checkout.own, {}))
    monkeypatch.setattr(Stack, "make_ready", lambda _: known.state)
    monkeypatch.setattr(Stack, "replace_state", replace)
    monkeypatch.setattr(Stack, "destroy", lambda _: known.calls.append("destroy"))
    daemon.shown([*everything(deployed()), STRANGER, SHRUNK])
    return known


def deleted(daemon: FakeDocker) -> set[str]:
    calls = [call.split() for call in daemon.calls()]
    return {call[-1] for call in calls if "rm" in call[:2]}


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    asked: list[str] = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    return asked


def test_what_runs_goes_and_the_data_stay_with_all_that_the_next_up_needs_of_them(
    pulumi: Pulumi, daemon: FakeDocker, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["destroy", "--yes"]) == 0
    containers = {made.id for made in deployed().made if made.kind == "container"}
    assert deleted(daemon) == {*containers, "id-of-network", "id-of-network-database"}
    assert daemon.calls()[0].startswith("stop --time 30 id-of-")
    assert {made.kind for made in pulumi.state.made} == {"volume"}
    assert {"database", "realm", "bucket", "data1"} <= pulumi.names
    assert pulumi.calls == []
    assert "its data stay on volumes p-data1, p-data9, p-postgres" in capsys.readouterr().err


def test_a_stack_that_is_down_stays_so(pulumi: Pulumi, daemon: FakeDocker, capsys: pytest.CaptureFixture[str]):
    cli.main(["destroy", "--yes"])
    before = pulumi.names
    daemon.shown([thing for thing in everything(deployed()) if thing.kind == "volume"])
    capsys.readouterr()
    assert cli.main(["destroy", "--yes"]) == 0
    assert pulumi.names == before
    said = capsys.readouterr().err
    assert "stack dev is down" in said and "volumes p-data1, p-postgres" in said


@pytest.mark.parametrize("down_already", [False, True])
def test_with_the_data_everything_goes_that_docker_has_of_it_and_no_server_is_asked(
    pulumi: Pulumi, daemon: FakeDocker, down_already: bool
):
    """Other stacks' things stay, and so would what Pulumi itself deletes: nothing of it is in Docker."""
    if down_already:
        cli.main(["destroy", "--yes"])
    assert cli.main(["destroy", "--yes", "--delete-data"]) == 0
    assert {"p-postgres", "p-data1", "p-data9", "id-of-network", "id-of-mlflow"} <= deleted(daemon)
    assert "q-postgres" not in deleted(daemon)
    assert not pulumi.names & {"database", "realm", "bucket", "data1"} and not pulumi.state.made
    assert pulumi.calls == ["destroy"]


def test_data_that_are_to_be_kept_go_too_where_it_is_said(pulumi: Pulumi, daemon: FakeDocker):
    pulumi.state = State({"resources": [{**found, "retainOnDelete": True} for found in deployed().resources]})
    cli.main(["destroy", "--yes"])
    assert "p-postgres" not in deleted(daemon)
    cli.main(["destroy", "--yes", "--delete-data"])
    assert "p-postgres" in deleted(daemon)


@pytest.mark.parametrize(
    ("options", "shown"),
    [([], "containers p-gateway"), (["--delete-data"], "p-postgres")],
)
def test_the_question_comes_with_what_goes_and_no_is_an_answer(
    pulumi: Pulumi,
    daemon: FakeDocker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    shown: str,
):
    asked = answering(monkeypatch, "n")
    assert cli.main(["destroy", *options]) == 1
    said = capsys.readouterr()
    assert shown in said.out + said.err
    assert said.err.endswith("error: Nothing was deleted.\n")
    assert ("keep its data" in asked[0]) is (not options)
    assert (deleted(daemon), pulumi.calls) == (set(), [])


def test_yes_answers_the_question_and_asks_for_nothing_more(pulumi: Pulumi, daemon: FakeDocker):
    cli.main(["destroy", "--yes"])
    assert not {"p-postgres", "p-data1"} & deleted(daemon)


def test_how_images_are_made_is_forgotten_with_the_data_only(pulumi: Pulumi, checkout: Paths):
    images.remember(checkout, "dev", "local")
    cli.main(["destroy", "--yes"])
    assert (checkout.own / "images-dev").exists()
    cli.main(["destroy", "--yes", "--delete-data"])
    assert not (checkout.own / "images-dev").exists()


def test_what_docker_has_without_a_state_is_named(pulumi: Pulumi, capsys: pytest.CaptureFixture[str]):
    pulumi.state = State({})
    assert cli.main(["destroy", "--yes"]) == 0
    assert "no state of container" in capsys.readouterr().err
