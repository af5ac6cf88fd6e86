"""What an upgrade is begun with, refused for, and put in order by after it was killed."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from launcher import upgrade
from launcher.console import Failure
from launcher.inventory import Thing
from launcher.paths import Paths
from launcher.scratch import planned
from launcher.state import State
from launcher.trial import DATA
from launcher.upgrade import left_stopped
from launcher.versions import Change, Journal
from tests.launcher.deployment import CONTAINER, FakeDocker, container, docker, urn

OLD, NEW = "p-postgres-16", "p-postgres"
BEGUN = Journal({"postgres": "16"}, server_stands_by=True, volume=OLD, filled=NEW)


def state(volume: str | None) -> State:
    """With a database server on this volume, if any, and those who write to it."""
    server = docker("container", "postgres", volumes=[{"volumeName": volume, "containerPath": DATA}])
    return State({"resources": [*([server] if volume else []), container("keycloak"), container("mlflow")]})


def there(*names: str) -> list[Thing]:
    return [Thing("container", f"id-of-{name}", f"p-{name}", "dev", "p") for name in names]


@pytest.mark.parametrize(
    ("journal", "volume", "running", "left"),
    [
        (None, OLD, ["postgres"], False),
        (replace(BEGUN, server_stands_by=False), OLD, ["postgres"], False),
        (BEGUN, OLD, ["postgres"], False),  # the old server is there: all begins anew
        (BEGUN, OLD, [], True),  # Pulumi was killed before it could write down that it removed it
        (BEGUN, None, [], True),
        (BEGUN, NEW, ["postgres"], True),
    ],
)
def test_between_two_servers_those_who_write_wait(
    checkout: Paths, journal: Journal | None, volume: str | None, running: Iterable[str], left: bool
):
    if journal:
        journal.write(Journal.file(checkout, "dev"))
    found = left_stopped(checkout, "dev", state(volume), there(*running))
    assert found == (["id-of-keycloak", "id-of-mlflow"] if left else [])


def test_what_is_being_brought_back_waits_until_it_is_whole(checkout: Paths):
    Journal({"mlflow": "3.17.0"}, going_back=["mlflow"]).write(Journal.file(checkout, "dev"))
    assert left_stopped(checkout, "dev", state(NEW), there("postgres")) == ["id-of-mlflow"]


def test_the_journal_of_a_stack_that_is_gone_says_nothing_of_the_next_one(checkout: Paths):
    file = Journal.file(checkout, "dev")
    BEGUN.write(file)
    (checkout.root / "components").mkdir()
    (checkout.root / "components/images.py").write_text("PINS = {}\n")
    gone: Any = FakeStack(State({}))
    with upgrade.around(checkout, gone, State({}), accept_loss=False):
        assert not file.exists()


class FakeStack:
    name = "dev"

    def __init__(self, found: State) -> None:
        self._state = found

    def state(self) -> State:
        return self._state


def begun(checkout: Paths, journal: Journal | None = None) -> Any:
    (checkout.root / "components").mkdir()
    (checkout.root / "components/images.py").write_text('PINS = {"postgres": Pin(None, "images/postgres", "16")}\n')
    if journal:
        journal.write(Journal.file(checkout, "dev"))
    return upgrade._Upgrade(checkout, FakeStack(state(NEW)))  # pyright: ignore[reportArgumentType]


def test_a_step_back_to_a_volume_that_is_not_there_is_refused(checkout: Paths, daemon: FakeDocker):
    with pytest.raises(Failure, match="PostgreSQL 17 to 16 is a step back.*restore a backup"):
        begun(checkout)._may_go_to_before([Change("postgres", "17", "16")], NEW, OLD, accept_loss=True)


def test_a_step_back_gives_up_what_was_written_since_on_demand_only(checkout: Paths, daemon: FakeDocker):
    daemon.shown([Thing("volume", OLD, OLD, "dev", "p")])
    step, upgrade = [Change("postgres", "17", "16")], begun(checkout)
    with pytest.raises(Failure, match=f"without what was written since.*--accept-loss.*leaves volume {NEW}"):
        upgrade._may_go_to_before(step, NEW, OLD, accept_loss=False)
    assert upgrade._may_go_to_before(step, NEW, OLD, accept_loss=True)


def test_a_step_back_from_an_unfinished_upgrade_is_what_its_failure_said(checkout: Paths, daemon: FakeDocker):
    daemon.shown([Thing("volume", OLD, OLD, "dev", "p")])
    unfinished = begun(checkout, Journal({"postgres": "17"}))
    assert unfinished._may_go_to_before([Change("postgres", "17", "16")], NEW, OLD, accept_loss=False)


def test_a_volume_that_was_being_filled_is_dropped_and_the_way_back_is_not(checkout: Paths, daemon: FakeDocker):
    daemon.shown([Thing("volume", name, name, "dev", "p") for name in (OLD, NEW)])
    begun(checkout, replace(BEGUN, server_stands_by=False))._drop_unfinished()
    assert f"volume rm {NEW}" in daemon.calls() and f"volume rm {OLD}" not in daemon.calls()
    journal = Journal.read(Journal.file(checkout, "dev"))
    assert journal and journal.filled is None


def test_a_planned_service_comes_with_its_files():
    files = [{"file": "/run/secrets/mlflow.env", "content": "A=1\n"}]
    plan = {urn(CONTAINER, "mlflow"): {"image": "sha256:1"}, urn(CONTAINER, "mlflow-files"): {"uploads": files}}
    service = planned(plan, "mlflow")
    assert service.files == {"/run/secrets/mlflow.env": "A=1\n"}
