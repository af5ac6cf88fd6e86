"""Artifacts at the place: as of each round, at the cost of what changed."""

import io
import time
import urllib.request
from collections.abc import Iterator

import pytest
from minio.deleteobjects import DeleteObject
from platform_backup.manifest import time_of

from tests.images.backups import BUCKET, HEALTH, Service, Stage, port_of, until, until_answers
from tests.images.restores import Restore

ODD = ["with spaces/and  two.txt", "ünïcødé/日本語.bin", "percent%20+plus&.txt", "a" * 170 + "/" + "b" * 170]


def put(stage: Stage, key: str, content: bytes) -> None:
    stage.bucket().put_object(BUCKET, key, io.BytesIO(content), len(content))


@pytest.fixture(scope="module")
def rounds(stage: Stage) -> Iterator[Service]:
    """A service of its own, which makes a round every few seconds."""
    service = stage.service(artifacts_every=1)
    until(lambda: service.status().get("last"), 180)
    yield service
    service.container.remove(force=True)


def after_the_next(service: Service) -> float:
    """The time of a round that was begun later than now; of a later time it would be the next one's."""
    known = len(service.listed())
    until(lambda: len(service.listed()) > known + 1, 120)
    return time_of(service.listed()[-1]["id"])


def asked(stage: Stage) -> float:
    """How many requests MinIO has taken."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port_of(stage.minio, 9000)}/minio/v2/metrics/cluster") as metrics:
        lines = metrics.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("minio_s3_requests_total{"))


def test_written_overwritten_and_deleted_objects_are_as_of_each_round(stage: Stage, rounds: Service):
    for key in ODD:
        put(stage, key, key.encode())
    put(stage, "stays", b"one")
    put(stage, "changes", b"old")
    put(stage, "goes", b"away")
    first = after_the_next(rounds)
    put(stage, "changes", b"newer")
    stage.bucket().remove_object(BUCKET, "goes")
    second = after_the_next(rounds)
    put(stage, "goes", b"back")
    put(stage, "new", b"at last")
    after_the_next(rounds)
    assert rounds.failing() == {}

    odd = {key: key.encode() for key in ODD}
    restore = Restore(rounds)
    everything = restore.objects()
    assert everything == {**odd, "stays": b"one", "changes": b"newer", "goes": b"back", "new": b"at last"}
    assert restore.objects(first).items() >= {**odd, "stays": b"one", "changes": b"old", "goes": b"away"}.items()
    assert restore.objects(second).items() >= {**odd, "stays": b"one", "changes": b"newer"}.items()
    assert restore.objects(below="ünïcødé") == {ODD[1]: ODD[1].encode()}

    for key in ("stays", "changes", "goes", "new", *ODD):
        stage.bucket().remove_object(BUCKET, key)


@pytest.mark.slow
def test_one_change_among_thousands_costs_a_handful_of_requests(stage: Stage, rounds: Service):
    for number in range(2000):
        put(stage, f"many/{number}", b"x")
    until(lambda: rounds.listed()[-1]["counts"]["objects"] >= 2000, 300)
    until(lambda: "compared" in rounds.status())
    time.sleep(12)
    before, backups = asked(stage), len(rounds.listed())
    put(stage, "many/7", b"changed")
    until(lambda: len(rounds.listed()) > backups + 1)
    assert asked(stage) - before < 20  # a HEAD of each would be 2,000
    gone = [DeleteObject(f"many/{number}") for number in range(2000)]
    assert list(stage.bucket().remove_objects(BUCKET, gone)) == []
    until(lambda: rounds.listed()[-1]["counts"]["objects"] < 2000, 120)


def test_comparing_everything_copies_nothing_that_is_there(stage: Stage, rounds: Service):
    put(stage, "same", b"one")
    stage.bucket().put_object(BUCKET, "in/parts", io.BytesIO(bytes(7_000_000)), 7_000_000, part_size=5 << 20)
    after_the_next(rounds)
    for _ in range(2):
        assert "artifacts: all compared, 0 changed" in rounds.ask("now")
    put(stage, "same", b"two")  # as long as before, and within the same second
    put(stage, "same", b"tri")
    rounds.ask("now")
    assert Restore(rounds).objects()["same"] == b"tri"
    for key in ("same", "in/parts"):
        stage.bucket().remove_object(BUCKET, key)


@pytest.mark.slow
def test_what_no_place_can_hold_is_named_and_all_else_is_copied(stage: Stage, rounds: Service):
    too_long = "c" * 240
    put(stage, too_long, b"long")
    put(stage, "beside/it", b"short")
    why = until(lambda: rounds.failing().get("backup", ""), 120)
    assert why == f"the backup volume: a folder's or file's name has over 175 bytes: {too_long}"
    put(stage, "beside/it", b"changed")
    after_the_next(rounds)
    assert Restore(rounds).objects()["beside/it"] == b"changed"
    rounds.ask("verify")

    stage.bucket().remove_object(BUCKET, too_long)
    until(lambda: not rounds.failing(), 120)


@pytest.mark.slow
def test_a_key_with_a_line_break_is_copied(stage: Stage, rounds: Service):
    put(stage, "two\nlines", b"both")
    after_the_next(rounds)
    assert rounds.failing() == {}
    assert Restore(rounds).objects()["two\nlines"] == b"both"
    stage.bucket().remove_object(BUCKET, "two\nlines")


@pytest.mark.slow
def test_what_changed_while_minio_was_away_is_found(stage: Stage, rounds: Service):
    put(stage, "before", b"1")
    after_the_next(rounds)
    stage.minio.restart()
    until_answers(stage.minio, HEALTH)
    put(stage, "meanwhile", b"2")
    after_the_next(rounds)
    until(lambda: not rounds.failing())
    assert Restore(rounds).objects().items() >= {"before": b"1", "meanwhile": b"2"}.items()
    for key in ("before", "meanwhile"):
        stage.bucket().remove_object(BUCKET, key)
