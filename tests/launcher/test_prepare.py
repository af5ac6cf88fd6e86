"""What is made before Pulumi runs, and in which order."""

import threading
from pathlib import Path

import pytest

from launcher import base_image, docker_engine, engines, images, prepare, toolchain, venv
from launcher.console import Failure
from launcher.paths import Paths

REQUEST = prepare.Request(stack="dev", engine="auto", install=False)


class Machine:
    """Where everything is made by waiting for whoever has to be there, and written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, engine: str, *, made: bool):
        self.did: list[str] = []
        self.cli_may_end = threading.Event()
        monkeypatch.setattr(docker_engine, "ensure", lambda *_, **__: None)
        monkeypatch.setattr(venv, "create", lambda *_, **__: None)
        monkeypatch.setattr(venv, "fill", lambda *_: self.did.append("packages"))
        monkeypatch.setattr(base_image, "ensure", lambda *_, **__: self.did.append("base"))
        monkeypatch.setattr(images, "mode", lambda *_: ("local", "a test"))
        monkeypatch.setattr(images, "ensure", self._image)
        monkeypatch.setattr(engines, "choose", lambda *_: (engine, "a test"))
        monkeypatch.setattr(engines, "environment", lambda _, name, built: {"ENGINE": name, "BUILT": str(built)})
        monkeypatch.setattr(toolchain, "made", lambda _: made)
        monkeypatch.setattr(toolchain, "ensure", self._cli)
        self._folder = folder

    def _image(self, _: Paths, stack: str, name: str) -> str:
        assert {"base", "packages"} <= set(self.did)
        self.did.append(f"{name} of {stack}")
        self.cli_may_end.set()
        return name

    def _cli(self, _: Paths) -> Path:
        assert self.cli_may_end.wait(10), "nothing was made beside the CLI"
        self.did.append("cli")
        return self._folder


def test_the_longest_image_is_made_while_the_cli_is(monkeypatch: pytest.MonkeyPatch, paths: Paths, tmp_path: Path):
    machine = Machine(monkeypatch, tmp_path, "offline", made=False)
    made = prepare.stack(paths, REQUEST, images_too=True)
    assert machine.did[-2:] == ["minio of dev", "cli"]
    assert (made.environment["ENGINE"], made.environment["BUILT"]) == ("offline", str(tmp_path))


@pytest.mark.parametrize(
    ("engine", "made", "images_too"), [("offline", True, True), ("official", False, True), ("offline", False, False)]
)
def test_no_image_is_made_ahead_where_nothing_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, tmp_path: Path, engine: str, made: bool, images_too: bool
):
    machine = Machine(monkeypatch, tmp_path, engine, made=made)
    machine.cli_may_end.set()
    prepare.stack(paths, REQUEST, images_too=images_too)
    assert not [did for did in machine.did if did.startswith("minio")]
    assert ("cli" in machine.did) == (engine == "offline")


def test_what_fails_beside_the_cli_is_told(monkeypatch: pytest.MonkeyPatch, paths: Paths, tmp_path: Path):
    machine = Machine(monkeypatch, tmp_path, "offline", made=False)
    machine.cli_may_end.set()

    def broken(*_: object, **__: object) -> None:
        raise Failure("debootstrap is not there")

    monkeypatch.setattr(base_image, "ensure", broken)
    with pytest.raises(Failure, match="debootstrap is not there"):
        prepare.stack(paths, REQUEST, images_too=True)
