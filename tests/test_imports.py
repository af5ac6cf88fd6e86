"""Which module of the program imports which, types included: each can be read after those that it stands on."""

import ast
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("components", "launcher", "offline")


def modules(root: Path) -> dict[str, Path]:
    files = (file for package in PACKAGES for file in (root / package).rglob("*.py"))
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports(name: str, file: Path, known: Collection[str]) -> Iterator[str]:
    """The modules that a file names in imports, wherever in it these are."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            inside = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
            above = inside[: len(inside) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found = (f"{source}.{alias.name}" for alias in node.names)
            yield from (module for module in (each if each in known else source for each in found) if module in known)


def circle(root: Path) -> list[str]:
    """The modules of one circle, each imported by the next; none when there is no circle."""
    known = modules(root)
    try:
        TopologicalSorter({name: set(imports(name, file, known)) for name, file in known.items()}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_no_module_imports_itself_by_way_of_others():
    assert len(modules(ROOT)) > 50
    assert circle(ROOT) == []


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
    assert circle(tmp_path) == []
    (folder / "three.py").write_text(back)
    assert set(circle(tmp_path)) == {"offline.one", "offline.part.two", "offline.part.three"}
