"""A place that is somebody else's, full, read-only or away: said in one sentence, and over when it is over."""

import io
import time
from collections.abc import Iterator

import pytest

from components.images import BASE
from tests.images.backups import BUCKET, Service, Stage, until
from tests.images.restores import Restore

MINUTES = 180.0


class SmallPlace:
    """In memory; a container keeps it, and fills it or takes the right to write to it."""

    def __init__(self, stage: Stage, megabytes: int):
        options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={megabytes}m"}
        self.volume = stage.volume(**options)
        self._keeper = stage.run(
            "keeper", BASE["local"], ["infinity"], entrypoint=["sleep"], volumes={self.volume: "/place"}
        )

    def do(self, script: str) -> None:
        code, said = self._keeper.exec_run(["sh", "-c", f"cd /place && {script}"])
        assert code == 0, said


def put(stage: Stage, key: str, size: int) -> None:
    stage.bucket().put_object(BUCKET, key, io.BytesIO(bytes(size)), size)


@pytest.fixture(scope="module")
def begun(stage: Stage, service: Service) -> Service:
    until(lambda: service.status().get("last"), MINUTES)
    return service


@pytest.mark.slow
def test_a_place_that_another_key_began_is_left_alone(stage: Stage, begun: Service):
    stranger = stage.service(volume=begun.volume, key="another key of this length")
    why = until(lambda: stranger.failing().get("backup", ""))
    assert why == "the backup volume holds something that was not made with this key; name another place"
    stage.alone(begun)
    begun.ask("verify", "--deep")


def test_a_place_with_something_else_in_it_is_left_alone(stage: Stage):
    volume = stage.volume()
    hand = stage.run("hand", BASE["local"], ["infinity"], entrypoint=["sleep"], volumes={volume: "/place"})
    hand.exec_run(["touch", "/place/holiday.jpg"])
    stranger = stage.service(volume=volume)
    why = until(lambda: stranger.failing().get("shipping the log", ""))
    assert "holds something that was not made with this key" in why
    assert hand.exec_run(["ls", "/place"]).output == b"holiday.jpg\n"
    stranger.container.remove(force=True)


@pytest.mark.slow
def test_a_folder_that_had_backups_and_is_empty_is_not_mounted_and_not_filled(stage: Stage):
    """Else a backup would go to the disk that it is to outlive, and nobody would know."""
    folder = {"kind": "folder", "name": "/mnt/nas"}
    before = stage.service(folder)
    until(lambda: before.status().get("last"), MINUTES)
    before.container.remove(force=True)
    after = stage.service(folder, spool=before.spool)
    why = until(lambda: after.failing().get("backup", ""))
    assert why.startswith("/mnt/nas is empty, and had this stack's backups: is it mounted?")
    assert after.shell("ls", "/place")[1] == ""
    after.container.remove(force=True)

    mounted = stage.service(folder, spool=before.spool, volume=before.volume)
    until(lambda: mounted.status().get("last"), MINUTES)
    assert mounted.failing() == {}
    mounted.container.remove(force=True)


@pytest.fixture(scope="module")
def small(stage: Stage) -> Iterator[tuple[SmallPlace, Service]]:
    place = SmallPlace(stage, 64)
    service = stage.service(volume=place.volume, artifacts_every=10)
    until(lambda: service.status().get("last"), MINUTES)
    yield place, service
    stage.alone(None)


@pytest.mark.slow
def test_a_full_place_says_so_and_goes_on_when_there_is_room(stage: Stage, small: tuple[SmallPlace, Service]):
    place, service = small
    put(stage, "beside", 10)
    place.do("dd if=/dev/zero of=.filler bs=1M 2>/dev/null || true")
    put(stage, "huge", 4_000_000)
    why = until(lambda: service.failing().get("backup", ""), MINUTES)
    assert why == "the backup volume: it is full"
    place.do("rm .filler")
    until(lambda: not service.failing(), MINUTES)
    restored = Restore(service).objects()
    assert {key: len(content) for key, content in restored.items()} == {"beside": 10, "huge": 4_000_000}
    for key in restored:
        stage.bucket().remove_object(BUCKET, key)


@pytest.mark.slow
def test_a_place_that_was_full_has_no_half_of_a_file(small: tuple[SmallPlace, Service]):
    small[1].ask("verify", "--deep")


@pytest.mark.slow
def test_a_place_that_may_not_be_written_says_so_and_goes_on_when_it_may(
    stage: Stage, small: tuple[SmallPlace, Service]
):
    place, service = small
    place.do("chmod -R a-w .")
    at = stage.happens("while nobody might write")
    why = until(lambda: service.failing().get("shipping the log", ""), MINUTES)
    assert why == "the backup volume: it may not be written or read"
    assert not service.shipped(at)
    place.do("chmod -R u+w .")
    until(lambda: not service.failing(), MINUTES)
    until(lambda: service.shipped(at), MINUTES)
    assert Restore(service).happened()[-1] == "while nobody might write"


@pytest.mark.slow
def test_the_volume_of_what_is_on_its_way_may_be_lost(stage: Stage, small: tuple[SmallPlace, Service]):
    place, service = small
    bases = service.listed()[-1]["base"]
    service.container.remove(force=True)
    stage.happens("while there was no backup")
    again = stage.service(volume=place.volume, artifacts_every=10)
    until(lambda: again.status().get("last"), MINUTES)
    assert again.listed()[-1]["base"] > bases
    assert Restore(again).happened()[-1] == "while there was no backup"
    again.ask("verify")
    again.container.remove(force=True)


@pytest.mark.slow
def test_a_place_that_is_away_for_long_does_not_fill_dockers_disk(stage: Stage):
    place = SmallPlace(stage, 400)
    service = stage.service(volume=place.volume, log_limit=40_000_000)
    until(lambda: service.status().get("last"), MINUTES)
    place.do("chmod -R a-w .")
    for _ in range(10):
        stage.sql(
            "SELECT pg_logical_emit_message(true, 'x', string_agg(md5(n::text), '')) FROM generate_series(1, 300000) n"
        )
        time.sleep(1)
    why = until(lambda: service.failing().get("receiving the log", ""), MINUTES)
    assert "bytes of log wait for the place" in why
    held = int(service.shell("du", "-sb", "/var/lib/backup/main")[1].split()[0])
    assert held < 40_000_000 + 5 * 16_777_216
    at = stage.happens("beyond the limit")
    place.do("chmod -R u+w .")
    until(lambda: not service.failing() and service.shipped(at), MINUTES)
    assert len({backup["base"] for backup in service.listed()}) == 1  # PostgreSQL had kept the rest
    assert "beyond the limit" in Restore(service).happened()
    service.container.remove(force=True)
