"""The files that a stack file (its path is the argument) names, a line each; run by the program's own Python.

The launcher has the standard library alone, which reads no YAML and does not know the settings.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import BaseModel

from components.settings import Settings, parse


def files(node: object) -> Iterator[str]:
    """What stands in fields whose schema says that they are paths of files."""
    if isinstance(node, dict):
        for value in node.values():
            yield from files(value)
    if not isinstance(node, BaseModel):
        return
    for name in type(node).model_fields:
        value = getattr(node, name)
        if value and _is_path(type(node), name):
            yield from [value] if isinstance(value, str) else value
        else:
            yield from files(value)


def _is_path(model: type[BaseModel], name: str) -> bool:
    """Or a list of such."""
    return '"format": "path"' in json.dumps(model.model_json_schema()["properties"][name])


def settings(stack_file: Path) -> Settings:
    config = yaml.safe_load(stack_file.read_text()).get("config") or {}
    flat = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return parse("mlflow-platform", stack_file.stem.partition(".")[2], flat, {})


if __name__ == "__main__":
    print("\n".join(files(settings(Path(sys.argv[1])))))
