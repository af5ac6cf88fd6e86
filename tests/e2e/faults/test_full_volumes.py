"""A volume without room, PostgreSQL's or MinIO's: an error for whoever writes, a sentence for whoever looks."""

import time

import pytest

from tests.e2e.faults.conftest import Faulty, until
from tests.e2e.faults.writers import Writers

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1200)]
HEALED = 240.0  # seconds; Docker waits up to 60 before it starts again what has ended
LOG = "SELECT count(pg_logical_emit_message(false, 'faults', repeat('x', 1000000))) FROM generate_series(1, 1800)"


def test_without_room_postgresql_loses_nothing_that_was_acknowledged_and_goes_on_once_there_is_some(faulty: Faulty):
    stack = faulty.stack
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        faulty.postgres.fill()
        began = time.time()
        try:
            # The log's spare segments would do for minutes of these clients; a busier one has used them up.
            stack.container("postgres").exec_run(["psql", "-U", "postgres", "-c", LOG])
            until(lambda: len(writers.refused_since(began, "metric")) > 2, 60, "clients get errors")
            text = faulty.says(f"{faulty.postgres.name} is full: ", "are left; what mlflow-")
            until(lambda: "metric" not in writers.stored_since(time.time() - 5), 60, "nothing is stored any more")
        finally:
            faulty.postgres.make_room()
        print(text)
        faulty.heals(writers, HEALED)
    assert writers.differing() == []


def test_without_room_minio_refuses_objects_and_takes_them_again_once_there_is_some(faulty: Faulty):
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        faulty.minio.fill()
        began = time.time()
        try:
            until(lambda: len(writers.refused_since(began, "object")) > 2, 60, "clients get errors")
            text = faulty.says(f"{faulty.minio.name} is full: ", "are left; what mlflow-")
            assert "metric" in writers.stored_since(time.time() - 5)  # the records are somewhere else
            until(lambda: "object" not in writers.stored_since(time.time() - 5), 60, "nothing is stored any more")
        finally:
            faulty.minio.make_room()
        print(text)
        faulty.heals(writers, HEALED)
    assert writers.differing() == []


def test_a_restore_for_which_postgresqls_volume_has_no_room_leaves_nothing_there(faulty: Faulty):
    """Else it would take the room of the server that still runs, and no base backup could be made beside it."""
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        faulty.postgres.do("fallocate -l $(($(df -P -B1 /disk | tail -1 | awk '{print $4}') - 60000000)) /disk/.filler")
        try:
            refused = faulty.stack.platform("restore", "--yes")
        finally:
            faulty.postgres.make_room()
        too_small = f" GB on volume {faulty.postgres.name}, which has "
        assert (refused.returncode, too_small in refused.stderr) == (1, True), refused.stderr
        assert faulty.stack.run("postgres", ["sh", "-c", "ls -A $PGDATA | grep restored || true"]) == ""
        made = faulty.stack.platform("backup", "now", "--base")
        assert made.returncode == 0, made.stderr
        faulty.is_well(HEALED)
    assert writers.differing() == []
