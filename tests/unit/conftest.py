"""The program's graphs, declared once per run: as the dev stack, from a registry, and as a cluster that keeps data."""

import json

import pytest

from .graph import PROJECT, ROOT, Graph, declare, stack_file

DEV = {**stack_file(ROOT / "Pulumi.dev.yaml"), f"{PROJECT}:images": "local"}


@pytest.fixture(scope="session")
def dev() -> Graph:
    return declare(DEV)


@pytest.fixture(scope="session")
def pulled() -> Graph:
    return declare({**DEV, f"{PROJECT}:images": "registry"})


@pytest.fixture(scope="session")
def cluster() -> Graph:
    storage = {"nodes": 4, "drives": 2}
    return declare({**DEV, f"{PROJECT}:storage": json.dumps(storage), f"{PROJECT}:keep_data": "true"}, stack="prod")
