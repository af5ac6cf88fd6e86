"""No module stands on itself, types included: each can be read after those that it imports."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.imports import graph, modules

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [ROOT / package for package in ("components", "launcher", "offline", "plugin/mlflow_platform")]


def circle(*packages: Path) -> list[str]:
    """The modules of one circle, each imported by the next; none when there is no circle."""
    try:
        TopologicalSorter(graph(modules(*packages))).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_by_way_of_others():
    assert len(modules(*PACKAGES)) > 100
    assert circle(*PACKAGES) == []


@pytest.mark.parametrize(
    "back",
    [
        "from ..one import One",
        "from offline import one",
        "import offline.one",
        "if TYPE_CHECKING:\n    from .. import one",
        "def late():\n    from offline.one import One",
    ],
)
def test_a_circle_is_found_however_it_is_written(tmp_path: Path, back: str):
    folder = tmp_path / "offline" / "part"
    folder.mkdir(parents=True)
    (tmp_path / "offline" / "one.py").write_text("from .part import two")
    (folder / "__init__.py").write_text("")
    (folder / "two.py").write_text("from . import three")
    (folder / "three.py").write_text("")
    assert circle(tmp_path / "offline") == []
    (folder / "three.py").write_text(back)
    assert set(circle(tmp_path / "offline")) == {"offline.one", "offline.part.two", "offline.part.three"}
