"""What tests of every kind share."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from components.images import BASE, PINS

ROOT = Path(__file__).parents[1]
WITH_CONTAINERS = {"conformance", "e2e", "images"}


def pytest_configure() -> None:
    """Ends a terminated run as Ctrl-C does, so that every fixture cleans up after itself."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """So that `./platform test` can run those that make containers beside those that do not."""
    for item in items:
        if item.path.relative_to(ROOT / "tests").parts[0] in WITH_CONTAINERS:
            item.add_marker(pytest.mark.containers)


def pytest_runtest_setup() -> None:
    """Gives the thread an event loop, which Pulumi's SDK expects there; every `asyncio.run` before took it away."""
    try:
        asyncio.get_event_loop()
    except RuntimeError:
        asyncio.set_event_loop(asyncio.new_event_loop())


@pytest.fixture(scope="session")
def local_image() -> Callable[[str], str]:
    """Builds an image of `images/` as it is now (Docker's layers make that quick) and gives its name."""

    client = docker.from_env(timeout=1800)

    def build(name: str) -> str:
        pin = PINS[name]
        tag = f"mlflow-platform/{name}:{pin.tag}"
        arguments = pin.arguments(BASE["local"])
        client.images.build(path=str(ROOT / pin.context), tag=tag, buildargs=arguments, rm=True)
        return tag

    return build
