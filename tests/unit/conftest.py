"""The program's graphs, declared once per run: the dev stack with images of our own and of others, and a cluster."""

import json

import hypothesis
import pytest

from .graph import DEV, PROJECT, Graph, declare

hypothesis.settings.register_profile("unit", deadline=None)  # a machine may be busy
hypothesis.settings.load_profile("unit")


@pytest.fixture(scope="session")
def dev() -> Graph:
    return declare(DEV)


@pytest.fixture(scope="session")
def pulled() -> Graph:
    return declare({**DEV, f"{PROJECT}:images": "registry"})


@pytest.fixture(scope="session")
def cluster() -> Graph:
    """Four servers of two drives each, open to other machines; its data is kept."""
    settings = {"storage": json.dumps({"nodes": 4, "drives": 2}), "keep_data": "true", "listen": "0.0.0.0"}
    return declare({**DEV, **{f"{PROJECT}:{key}": value for key, value in settings.items()}}, stack="prod")
