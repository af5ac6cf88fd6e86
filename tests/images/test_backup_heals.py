"""What befalls the servers, or the backup itself: it says so meanwhile, and goes on by itself."""

import io
import time
from collections.abc import Callable, Iterator

import pytest
from docker.models.containers import Container

from tests.images.backups import BUCKET, Service, Stage, connected, until
from tests.images.restores import Restore

pytestmark = pytest.mark.slow
MINUTES = 240.0


@pytest.fixture(scope="module")
def stage(local_image: Callable[[str], str]) -> Iterator[Stage]:
    """A server that keeps hardly any log for somebody who does not fetch it."""
    stage = Stage(
        local_image, "-c", "max_slot_wal_keep_size=96MB", "-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"
    )
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def service(stage: Stage) -> Service:
    service = stage.service(artifacts_every=15)
    until(lambda: service.status().get("last") and not service.failing(), MINUTES)
    return service


def goes_on(stage: Stage, service: Service, what: str) -> None:
    """A commit after it reaches the place, and nothing fails any more."""
    at = stage.happens(what)
    until(lambda: service.shipped(at), MINUTES)
    until(lambda: not service.failing(), MINUTES)
    known = service.listed()[-1]["id"]
    until(lambda: service.listed()[-1]["id"] > known, MINUTES)
    service.ask("verify")


def write_log(stage: Stage, segments: int) -> None:
    for _ in range(segments):
        stage.sql("SELECT pg_logical_emit_message(true, 'x', repeat('x', 1000000))", "postgres")
        stage.sql("SELECT pg_switch_wal()", "postgres")
    stage.sql("CHECKPOINT", "postgres")


def wait_for_server(stage: Stage) -> None:
    until(lambda: stage.postgres.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code == 0)


def test_postgresql_is_stopped_killed_and_comes_back(stage: Stage, service: Service):
    stage.postgres.stop(timeout=20)
    why = until(lambda: service.failing().get("shipping the log", ""))
    assert why.startswith("PostgreSQL: ")
    stage.postgres.start()
    wait_for_server(stage)
    goes_on(stage, service, "1 after a stop")
    stage.postgres.kill("KILL")
    stage.postgres.start()
    wait_for_server(stage)
    goes_on(stage, service, "2 after a kill")
    bases = {backup["base"] for backup in service.listed()}
    assert len(bases) == 1  # nothing of the log is missing
    assert Restore(service).happened()[-2:] == ["1 after a stop", "2 after a kill"]


def test_the_backup_is_killed_in_a_base_backup_and_in_a_round(stage: Stage, service: Service):
    asking = service.asking("now", "--base")
    until(lambda: service.shell("sh", "-c", "ls /var/lib/backup/main/base | wc -l")[1].strip() == "2", MINUTES)
    kill(service.container)
    asking.join()
    goes_on(stage, service, "3 after a kill in a base backup")
    assert "base backup" in service.ask("now", "--base")
    left = service.shell("ls", "/var/lib/backup/main/base")[1].split()
    assert left == [service.listed()[-1]["base"]]

    for number in range(40):
        stage.bucket().put_object(BUCKET, f"round/{number}", io.BytesIO(b"r" * 500_000), 500_000)
    until(lambda: "copy" in service.shell("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")[1], MINUTES)
    kill(service.container)
    goes_on(stage, service, "4 after a kill in a round")
    until(lambda: service.listed()[-1]["counts"]["objects"] == 40, MINUTES)
    service.ask("verify", "--deep")
    assert {key: len(content) for key, content in Restore(service).objects().items()} == {
        f"round/{number}": 500_000 for number in range(40)
    }


def kill(container: Container) -> None:
    container.kill("KILL")
    container.start()  # which Docker does itself after a crash, but not after `docker kill`


def test_log_that_postgresql_could_not_keep_is_made_good_by_a_base_backup(stage: Stage, service: Service):
    before = service.listed()[-1]
    service.container.pause()
    stage.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active", "postgres")
    write_log(stage, 12)
    until(lambda: stage.sql("SELECT wal_status FROM pg_replication_slots", "postgres") == [("lost",)])
    stage.happens("5 while the log was lost")
    service.container.unpause()

    why = until(lambda: service.failing().get("shipping the log", ""))
    assert "until the next base backup: PostgreSQL could keep no more" in why
    goes_on(stage, service, "6 after the log was lost")
    assert service.listed()[-1]["base"] > before["base"]
    assert Restore(service).happened()[-2:] == ["5 while the log was lost", "6 after the log was lost"]
    assert Restore(service).happened(before["time"])[-1] == "4 after a kill in a round"


def test_a_server_that_was_restored_is_copied_on_its_own_timeline(stage: Stage, service: Service):
    """What the launcher does: the same system, further back, which knows nothing of the backup."""
    at = stage.happens("7 before the restore")
    stage.happens("8 which the restore undoes")
    before = service.listed()[-1]["base"]
    service.ask("now")
    undone = stage.happens("9 undone, too")
    until(lambda: service.shipped(undone), MINUTES)
    restore = Restore(service)
    volume = stage.volume()
    restore.fetch_records(volume, at)
    stage.postgres.remove(force=True)
    stage.postgres = restore.server_on(volume, "postgres")

    goes_on(stage, service, "a of another timeline")
    assert service.listed()[-1]["base"] > before
    assert restore.happened()[-2:] == ["7 before the restore", "a of another timeline"]
    later = stage.happens("b later")
    stage.happens("c last")
    service.ask("now")
    assert restore.happened(later)[-3:] == ["7 before the restore", "a of another timeline", "b later"]


def test_a_new_database_system_is_copied_beside_the_old_one(stage: Stage, service: Service):
    old = service.listed()[-1]
    stage.postgres.remove(force=True)
    stage.postgres = stage.server(stage.volume())
    stage.databases()
    goes_on(stage, service, "a of a new system")
    assert service.listed()[-1]["system"] != old["system"]
    assert Restore(service).happened() == ["a of a new system"]
    assert Restore(service).happened(old["time"])[-1] == "c last"


def test_time_passes_without_anything_to_copy(stage: Stage, service: Service):
    known = len(service.listed())
    until(lambda: len(service.listed()) > known + 2, MINUTES)
    time.sleep(5)
    assert service.failing() == {}
    with connected(stage.postgres, "postgres") as connection:
        row = connection.execute("SELECT count(*) FROM pg_replication_slots WHERE active").fetchone()
    assert row == (1,)
