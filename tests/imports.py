"""Which module imports which, read off the code: wherever in a file an import stands, be it for types only."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path


def modules(*packages: Path) -> dict[str, Path]:
    """The files of packages, given by their folders, by the names of their modules."""
    files = ((package.parent, file) for package in packages for file in package.rglob("*.py"))
    return {".".join(file.relative_to(at).with_suffix("").parts).removesuffix(".__init__"): file for at, file in files}


def graph(known: dict[str, Path]) -> dict[str, set[str]]:
    """What each of these modules imports of them."""
    return {name: set(_imports(name, file, known)) for name, file in known.items()}


def _imports(name: str, file: Path, known: Collection[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            inside = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
            above = inside[: len(inside) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found = (f"{source}.{alias.name}" for alias in node.names)
            yield from (module for module in (each if each in known else source for each in found) if module in known)
