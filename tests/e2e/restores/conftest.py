"""One stack, with its backup in a folder of the host, and the checkouts that it is restored from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.checkouts import checkout
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.restores.restoring import Elsewhere, Look
from tests.e2e.stack import free_ports


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="package")
def backed_up(has_pulumi: None, place: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    to = {"kind": "folder", "folder": str(place)}
    settings = {"backup": {"to": to, "database_seconds": 1, "artifacts_every": 86400}}
    with brought_up(tmp_path_factory.mktemp("backed-up"), settings) as stack:
        yield Platform(stack, stack.outputs())


@pytest.fixture
def key(backed_up: Platform, tmp_path: Path) -> Path:
    file = tmp_path / "backup.key"
    file.write_text(backed_up.outputs["backup_key"])
    return file


@pytest.fixture
def elsewhere(backed_up: Platform, tmp_path: Path) -> Elsewhere:
    backend = tmp_path / "state"
    backend.mkdir()
    return Elsewhere(checkout(tmp_path / "elsewhere"), backed_up.stack, backend)


@pytest.fixture
def look(backed_up: Platform) -> Iterator[Look]:
    stack = backed_up.stack
    look = Look(stack, f"{stack.name}-look", dict(zip(stack.ports, free_ports(len(stack.ports)), strict=True)))
    yield look
    look.platform("destroy", "--stack", look.name, "--delete-data", "--yes")
