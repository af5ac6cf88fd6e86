"""Who imports whom: down only, from the gate through the rooms to what all of them use, and nowhere in a circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from tests.plugin.conftest import ROOT

SERVER = "mlflow_platform.server."
FLOORS = {"ground": 0, "identity": 1, "within": 2, "browser": 3, "credentials": 3, "gate": 4}
OF_NO_ROOM = {
    **dict.fromkeys(("settings", "responses", "audit", "logs"), "ground"),
    **dict.fromkeys(("__main__", "app", "routes", "probe"), "gate"),
}


def name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT / "plugin").with_suffix("").parts).removesuffix(".__init__")


FILES = {name(file): file for file in (ROOT / "plugin/mlflow_platform").rglob("*.py")}


def imported(file: Path) -> set[str]:
    """The plugin's modules that a file imports, be it for types only or within a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file} imports by a relative name"
            of = str(node.module)
            names |= {inner if (inner := f"{of}.{alias.name}") in FILES else of for alias in node.names}
    return names & FILES.keys()


IMPORTS = {module: imported(file) for module, file in FILES.items()}


def room(module: str) -> str:
    inner = module.removeprefix(SERVER).partition(".")[0]
    return OF_NO_ROOM.get(inner, inner)


def test_the_servers_imports_run_down_only() -> None:
    rooms = {module: room(module) for module in IMPORTS if module.startswith(SERVER)}
    assert set(rooms.values()) == FLOORS.keys()  # whatever is new stands on one of the floors
    for module, here in rooms.items():
        for other in IMPORTS[module]:
            assert room(other) == here or FLOORS.get(room(other), 9) < FLOORS[here], f"{module} imports {other}"


def test_no_module_is_in_a_circle_of_imports() -> None:
    TopologicalSorter(IMPORTS).prepare()
