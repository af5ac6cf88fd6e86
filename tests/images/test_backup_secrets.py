"""What nobody reads without the key, and where no secret is shown."""

import io
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.images.backups import BUCKET, KEY, Service, Stage, until
from tests.images.restores import Restore, RestoreError


@pytest.fixture(scope="module")
def filled(stage: Stage, service: Service) -> Iterator[dict[str, str]]:
    """Words that are in a record, in an artifact, and in its name."""
    until(lambda: service.status().get("last"), 180)
    words = {where: f"{where}-{secrets.token_hex(8)}" for where in ("record", "artifact", "name")}
    stage.sql(f"INSERT INTO happened VALUES ('{words['record']}')")
    content = words["artifact"].encode()
    stage.bucket().put_object(BUCKET, words["name"], io.BytesIO(content), len(content))
    service.ask("now", "--base")
    yield words
    stage.bucket().remove_object(BUCKET, words["name"])


def hidden(service: Service) -> list[str]:
    return [KEY, *(value for name, value in service.secrets.items() if name not in ("place", "key", "s3_access_key"))]


def test_nothing_at_the_place_can_be_read(stage: Stage, service: Service, filled: dict[str, str]):
    words = [*filled.values(), *hidden(service), "PG_VERSION", "manifests", "artifacts", "experiments", "backup_label"]
    looking = stage.run(
        "looking", "backup", ["infinity"], entrypoint=["sleep"], user="0:0", volumes={service.volume: "/place"}
    )
    names: Any = looking.exec_run(["find", "/place"]).output
    assert len(names.splitlines()) > 10
    assert [word for word in words if word.encode() in names] == []
    for word in words:
        assert looking.exec_run(["grep", "-rqaF", word, "/place"]).exit_code == 1, word
    magic = r"(\x28\xb5\x2f\xfd|\x1f\x8b\x08)"  # of zstd's and gzip's files
    assert looking.exec_run(["sh", "-c", f"find /place -type f -exec head -c4 {{}} \\; | grep -qaP '{magic}'"])[0] == 1
    assert Restore(service).look()["place"]["stack"] == "dev"


def test_another_key_opens_nothing(service: Service, filled: dict[str, str]):
    with pytest.raises(RestoreError, match="has no backup that this key opens"):
        Restore(service, key="another key of this length").look()


class Watch:
    """Command lines and environments of all that runs in a container, or in those of an image, from the host's side."""

    def __init__(self):
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if not re.search(rb"barman|rclone|platform_backup", line := (process / "cmdline").read_bytes()):
                        continue
                    self.seen |= {line, (process / "environ").read_bytes()}
                except OSError:  # it has ended
                    continue
            self._end.wait(0.02)


def test_no_command_line_environment_or_log_has_a_secret_in_it(stage: Stage, service: Service, filled: dict[str, str]):
    with Watch() as watch:
        service.ask("now", "--base")
        service.ask("verify", "--deep")
        assert filled["record"] in Restore(service).happened()
        Restore(service).objects()
    seen = b"\n".join(watch.seen)
    assert re.search(rb"rclone", seen) and re.search(rb"barman", seen) and re.search(rb"get-database", seen)
    shown = seen + service.container.logs() + service.ask("status").encode()
    assert [secret for secret in [*hidden(service), *filled.values()] if secret.encode() in shown] == []
    service.container.reload()
    assert [secret for secret in hidden(service) if secret in str(service.container.attrs)] == []
