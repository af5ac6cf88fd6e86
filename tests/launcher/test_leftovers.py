"""What Docker has of a stack that this checkout has no state of: named, and deleted on request; nothing else is."""

import json

import pytest

from launcher import cli, destroying, leftovers
from launcher.console import Failure
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.stack import Stack
from launcher.state import State
from tests.launcher.deployment import FakeDocker, deployed, docker, everything

PLAN = [{"op": "create", "newState": resource} for resource in deployed().resources]
LEFT = [Thing("container", "1", "p-mlflow", "dev", "p"), Thing("volume", "p-postgres", "p-postgres", "dev", "p")]
FOREIGN = [Thing("container", "2", "q-mlflow", "dev", "q"), Thing("volume", "pp-data", "pp-data", "dev", "pp")]


def test_what_is_left_of_a_stack_without_a_state_is_named_with_the_ways_on(daemon: FakeDocker, checkout: Paths):
    daemon.shown([*LEFT, *FOREIGN])
    with pytest.raises(Failure) as refused:
        leftovers.refuse(checkout, "dev", PLAN, set())
    said = str(refused.value)
    assert "(container p-mlflow; volume p-postgres; since 2026-11-27 " in said
    assert "passphrase" in said and "./platform destroy --leftovers" in said and "prefix" in said
    assert "q-mlflow" not in said and "pp-data" not in said
    assert {call.split()[1] for call in daemon.calls()} == {"inspect"}


def test_stacks_with_other_prefixes_and_what_an_interrupted_up_left_are_in_nobodys_way(
    daemon: FakeDocker, checkout: Paths
):
    daemon.shown(FOREIGN)
    leftovers.refuse(checkout, "dev", PLAN, set())
    daemon.shown(LEFT)
    leftovers.refuse(checkout, "dev", PLAN, {("container", "p-mlflow"), ("volume", "p-postgres")})
    leftovers.refuse(checkout, "dev", [], set())  # a program that fails explains itself


def test_an_interrupted_creation_is_known_by_kind_and_name():
    operation = {"type": "creating", "resource": docker("volume", "postgres")}
    assert State({"pending_operations": [operation]}).begun == {("volume", "p-postgres")}
    assert State({"pending_operations": [{**operation, "type": "updating"}]}).begun == set()


def test_leftovers_are_deleted_containers_first_and_nothing_else(daemon: FakeDocker, checkout: Paths):
    daemon.shown([*reversed(LEFT), *FOREIGN])
    leftovers.delete(leftovers.deletable(checkout, "dev", PLAN))
    assert [call for call in daemon.calls() if "inspect" not in call] == [
        "stop --time 30 1",
        "rm --force --volumes 1",
        "volume rm p-postgres",
    ]


def test_a_stack_that_this_checkout_has_a_state_of_is_no_leftover(daemon: FakeDocker, checkout: Paths):
    folder = checkout.own / "state" / ".pulumi" / "stacks" / "mlflow-platform"
    folder.mkdir(parents=True)
    (folder / "dev.json").write_text(json.dumps({"version": 3, "checkpoint": {"latest": deployed().deployment}}))
    daemon.shown(everything(deployed()))
    with pytest.raises(Failure, match="prefix p is that of stack dev: choose another one for second"):
        leftovers.refuse(checkout, "second", PLAN, set())
    with pytest.raises(Failure, match="prefix p is that of stack dev"):
        leftovers.deletable(checkout, "second", PLAN)


def test_destroying_leftovers_asks_first_and_refuses_a_stack_that_has_a_state(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert cli.main(["destroy", "--leftovers"]) == 1
    assert "--yes" in capsys.readouterr().err
    monkeypatch.setattr(destroying.prepare, "stack", lambda *_, **__: Stack("dev", paths.root, paths.own, {}))
    monkeypatch.setattr(Stack, "make_ready", lambda self: deployed())
    assert cli.main(["destroy", "--leftovers", "--yes"]) == 1
    assert "has a state of stack dev" in capsys.readouterr().err
