"""Whether a place is looked through: one bit that is another one, and one file that is gone, are found and named."""

import io
from collections.abc import Iterator

import pytest

from tests.images.backups import BUCKET, Service, Stage, until

pytestmark = pytest.mark.slow

FLIP = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(-9, 2)
    byte = file.read(1)[0]
    file.seek(-9, 2)
    file.write(bytes([byte ^ 4]))
"""


class Hand:
    """Somebody at the place who has no key; `rclone` in the service's container tells him what is what."""

    def __init__(self, stage: Stage, service: Service):
        self._service = service
        self._container = stage.run(
            "hand", "backup", ["infinity"], entrypoint=["sleep"], user="0:0", volumes={service.volume: "/place"}
        )

    def of(self, folder: str) -> list[str]:
        """The files below a folder, as they are called when they are decrypted."""
        _, listed = self._service.shell("rclone", "--config=/run/backup/rclone.conf", "lsf", "-R", f"place:{folder}")
        return sorted(f"{folder}/{name}" for name in listed.splitlines() if not name.endswith("/"))

    def flip(self, *names: str) -> None:
        for name in names:
            self._do("python", "-c", FLIP, self._raw(name))

    def hide(self, *names: str) -> None:
        for name in names:
            self._do("mv", self._raw(name), f"/tmp/{self._raw(name).rpartition('/')[2]}")

    def give_back(self, *names: str) -> None:
        for name in names:
            self._do("mv", f"/tmp/{self._raw(name).rpartition('/')[2]}", self._raw(name))

    def _raw(self, name: str) -> str:
        config = "--config=/run/backup/rclone.conf"
        _, said = self._service.shell("rclone", config, "cryptdecode", "--reverse", "place:", name)
        return "/place/" + said.split("\t")[1].strip()

    def _do(self, *command: str) -> None:
        code, said = self._container.exec_run(list(command))
        assert code == 0, said


@pytest.fixture(scope="module")
def hand(stage: Stage, service: Service) -> Iterator[Hand]:
    """Of a place with a few of everything."""
    until(lambda: service.status().get("last"), 180)
    for state in ("the state", "a newer state"):
        service.shell("sh", "-c", f"printf '{state}' | python -m platform_backup keep-stack")
        service.ask("now")
    client = stage.bucket()
    for key in ("kept/one", "kept/two"):
        client.put_object(BUCKET, key, io.BytesIO(b"x" * 1000), 1000)
    service.ask("now")
    client.put_object(BUCKET, "kept/two", io.BytesIO(b"y" * 1000), 1000)
    stage.happens("something for the log")
    service.ask("now")
    service.ask("now")
    yield Hand(stage, service)
    for key in ("kept/one", "kept/two"):
        client.remove_object(BUCKET, key)


@pytest.fixture(scope="module")
def system(service: Service, hand: Hand) -> str:
    return f"database/{service.listed()[-1]['system']}"


def test_one_bit_that_is_another_one_is_found_in_whatever_file_it_is(service: Service, hand: Hand, system: str):
    service.ask("verify", "--deep")
    base = next(name for name in hand.of(f"{system}/base") if name.endswith(".tar.zst"))
    segment, stack = hand.of(f"{system}/wals")[-1], hand.of("stack")[0]
    files = {
        base: f"{base}: what is there is damaged",
        segment: f"1 files below {system}/wals are damaged",
        stack: f"{stack}: what is there is damaged",
        "artifacts/now/kept/one": "1 files below artifacts/now are damaged, first kept/one",
        hand.of("artifacts/before")[0]: "1 files below artifacts/before are damaged",
        hand.of("manifests")[0]: "1 files below manifests are damaged",
    }
    hand.flip(*files)
    said = service.refused("verify", "--deep")
    hand.flip(*files)
    assert [why for why in files.values() if why not in said] == [], said

    service.ask("verify")
    assert "damaged" in service.failing()["deep verification"]  # which looking at names and sizes does not disprove
    service.ask("verify", "--deep")
    assert service.status()["verified_deep"]
    assert service.failing() == {}


def test_a_file_that_is_gone_is_found_without_reading_anything(service: Service, hand: Hand, system: str):
    segments = [name for name in hand.of(f"{system}/wals") if len(name.rpartition("/")[2]) == 24]
    gone = [segments[-2], "artifacts/now/kept/one", hand.of("stack")[0]]
    hand.hide(*gone)
    said = service.refused("verify")
    hand.give_back(*gone)
    assert f"the log has a gap between {segments[-3][-24:]} and {segments[-1][-24:]}" in said
    assert "1 artifacts of the newest backup are not there" in said
    assert "the stack's state" in said
    service.ask("verify")


def test_a_base_backup_that_is_gone_or_cut_short_is_found(service: Service, hand: Hand, system: str):
    tar, about = f"{system}/base/{service.listed()[-1]['base']}.tar.zst", service.listed()[-1]["base"]
    for name, why in (
        (tar, f"base backup {about} is not as long as it was made"),
        (f"{system}/base/{about}.json", f"base backup {about}, which the newest backup needs, is not there"),
    ):
        hand.hide(name)
        said = service.refused("verify")
        hand.give_back(name)
        assert why in said
    service.ask("verify")
