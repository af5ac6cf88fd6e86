"""What counts as an upgrade, and how far one has come."""

from pathlib import Path
from typing import Any

import pytest

from components.images import PINS
from launcher import versions
from launcher.console import Failure
from launcher.state import State
from launcher.versions import Change, Journal
from tests.launcher.deployment import urn

ROOT = Path(__file__).parents[2]


def image(name: str, full_name: str, type: str = versions._BUILT) -> dict[str, Any]:
    key = "imageName" if type == versions._BUILT else "name"
    return {"urn": urn(type, name), "type": type, "id": full_name, "inputs": {key: full_name}}


def state(*images: dict[str, Any]) -> State:
    return State({"resources": list(images)})


def test_the_list_is_read_as_the_program_has_it():
    built = state(*(image(name, f"mlflow-platform/{name}:old") for name in PINS))
    pulled = state(*(image(name, f"docker.io/{name}:old", versions._PULLED) for name in PINS))
    assert versions.wanted(ROOT, built) == {name: PINS[name].tag for name in versions.TITLES}
    upstreams = {name: PINS[name].upstream for name in versions.TITLES}
    named = {name: upstream.rpartition(":")[2] if upstream else PINS[name].tag for name, upstream in upstreams.items()}
    assert versions.wanted(ROOT, pulled) == named


def test_a_registrys_major_version_of_postgresql_is_that_of_the_image_that_is_built_here():
    upstream = PINS["postgres"].upstream
    assert upstream and upstream.rpartition(":")[2].split(".")[0] == str(PINS["postgres"].major)


def test_a_program_without_its_list_is_named(tmp_path: Path):
    (tmp_path / "components").mkdir()
    (tmp_path / "components/images.py").write_text("OTHERS = {}\n")
    with pytest.raises(Failure, match=r"components/images\.py has no PINS"):
        versions.wanted(tmp_path, state())


def test_a_stack_of_the_versions_that_are_named_has_nothing_to_upgrade():
    same = state(*(image(name, f"mlflow-platform/{name}:{pin.tag}") for name, pin in PINS.items()))
    assert versions.changes(versions.of_state(same), versions.wanted(ROOT, same)) == []


def test_a_new_stack_has_nothing_to_upgrade():
    assert versions.changes(versions.of_state(state()), versions.wanted(ROOT, state())) == []


def test_what_has_no_data_is_no_upgrade():
    other = state(image("nginx", "mlflow-platform/nginx:1.0"))
    assert versions.changes(versions.of_state(other), versions.wanted(ROOT, other)) == []


def test_a_version_that_differs_is_one_change():
    old = state(image("keycloak", "mlflow-platform/keycloak:26.4.7"), image("mlflow", "mlflow-platform/mlflow:3.17.2"))
    changes = versions.changes(versions.of_state(old), {"keycloak": "26.7.5", "mlflow": "3.17.2"})
    assert [str(change) for change in changes] == ["Keycloak 26.4.7 to 26.7.5"]


@pytest.mark.parametrize(
    ("old", "new", "older"),
    [("16", "17", False), ("17", "16", True), ("26.7.5", "26.7.10", False), ("3.17.2", "3.9.0", True)],
)
def test_versions_are_compared_by_their_numbers(old: str, new: str, older: bool):
    assert Change("postgres", old, new).is_older is older


def test_a_journal_is_read_as_it_was_written(tmp_path: Path):
    file = tmp_path / "upgrade-dev.json"
    assert Journal.read(file) is None
    written = Journal({"mlflow": "3.17.0"}, server_stands_by=True, volume="p-postgres", dumps={"mlflow": "3.17.0"})
    written.write(file)
    assert Journal.read(file) == Journal(**{**vars(written), "going_back": []})
