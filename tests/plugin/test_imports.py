"""Who imports whom: down only, from the gate through the rooms to what all of them use."""

import ast

from tests.imports import graph, modules
from tests.plugin.conftest import ROOT

SERVER = "mlflow_platform.server."
FLOORS = {"ground": 0, "identity": 1, "within": 2, "browser": 3, "credentials": 3, "trail": 4, "gate": 5}
OF_NO_ROOM = {
    **dict.fromkeys(("settings", "responses", "audit", "logs", "kept"), "ground"),
    **dict.fromkeys(("__main__", "app", "db", "routes", "probe", "processes", "retention", "successor"), "gate"),
}


FILES = modules(ROOT / "plugin/mlflow_platform")
IMPORTS = graph(FILES)


def room(module: str) -> str:
    inner = module.removeprefix(SERVER).partition(".")[0]
    return OF_NO_ROOM.get(inner, inner)


def test_the_servers_imports_run_down_only() -> None:
    rooms = {module: room(module) for module in IMPORTS if module.startswith(SERVER)}
    assert set(rooms.values()) == FLOORS.keys()  # whatever is new stands on one of the floors
    for module, here in rooms.items():
        for other in IMPORTS[module]:
            assert room(other) == here or FLOORS.get(room(other), 9) < FLOORS[here], f"{module} imports {other}"


def test_imports_say_whole_names() -> None:
    for file in FILES.values():
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{file} imports by a relative name"
