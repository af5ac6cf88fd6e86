"""PostgreSQL's records at the place: all of them, seconds after they were written, as of any moment."""

import pytest

from tests.images.backups import Service, Stage, until
from tests.images.restores import Restore, RestoreError

OWN = ("1 before the backup", "2 after the backup", "3 the last", "4 before it was idle")


def own(happened: list[str]) -> list[str]:
    """Without what other tests had happen on the same server."""
    return [what for what in happened if what in OWN]


@pytest.fixture(scope="module")
def moments(stage: Stage, service: Service) -> tuple[float, float]:
    """After the first of three transactions, with a backup before it, and after the last."""
    until(lambda: service.status().get("last"), 180)
    first = stage.happens("1 before the backup")
    service.ask("now")
    stage.happens("2 after the backup")
    return first, stage.happens("3 the last")


def test_a_commit_is_at_the_place_seconds_later(stage: Stage, service: Service, moments: tuple[float, float]):
    until(lambda: service.shipped(moments[1]), 20)
    assert service.failing() == {}


def test_a_restore_of_everything_has_the_last_commit(stage: Stage, service: Service, moments: tuple[float, float]):
    until(lambda: service.shipped(moments[1]), 20)
    assert own(Restore(service).happened()) == ["1 before the backup", "2 after the backup", "3 the last"]


def test_a_restore_to_a_time_between_two_commits_has_the_first_alone(service: Service, moments: tuple[float, float]):
    assert own(Restore(service).happened(moments[0])) == ["1 before the backup"]


def test_a_backup_says_what_it_has_and_is_listed(stage: Stage, service: Service, moments: tuple[float, float]):
    stage.sql("INSERT INTO runs VALUES (1), (2)")
    said = service.ask("now")
    assert "2 runs" in said
    newest = service.listed()[-1]
    assert newest["counts"]["runs"] == 2
    assert newest["versions"].keys() >= {"mlflow", "postgres"}
    assert [backup["id"] for backup in service.listed()] == sorted(backup["id"] for backup in service.listed())
    found = Restore(service).look()
    assert found["backup"] == newest
    assert found["place"]["stack"] == "dev"
    assert found["base"]["id"] == newest["base"]


def test_a_time_at_which_nothing_happened_any_more_is_restored_too(stage: Stage, service: Service):
    """PostgreSQL itself refuses a time after which its log has no commit."""
    at = stage.happens("4 before it was idle")
    service.ask("now")
    assert own(Restore(service).happened(at))[-1] == "4 before it was idle"


def test_another_base_backup_is_made_where_it_is_asked_for(service: Service, moments: tuple[float, float]):
    before = service.listed()[-1]["base"]
    assert "base backup" in service.ask("now", "--base")
    assert service.listed()[-1]["base"] > before


def test_a_time_before_the_first_backup_is_refused_with_the_first(service: Service, moments: tuple[float, float]):
    with pytest.raises(RestoreError, match="no backup that is old enough; the first is of 20.* UTC"):
        Restore(service).look(1.0)


def test_the_stacks_state_comes_back_as_it_was_brought_and_only_once(service: Service):
    service.shell("sh", "-c", "printf 'all of the state' | python -m platform_backup keep-stack")
    service.ask("now")
    service.ask("now")
    first, second = (backup["stack"] for backup in service.listed()[-2:])
    assert first == second != ""
    assert Restore(service).run(["get-stack"]) == "all of the state"


def test_the_server_that_restores_begins_a_timeline_of_its_own(stage: Stage, service: Service):
    with Restore(service).records() as server:
        (row,) = stage.sql("SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)", "postgres", server)
    assert row == ("00000002",)
