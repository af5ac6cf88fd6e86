"""What tests of every kind share."""

from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from components.images import BASE, PINS

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def local_image() -> Callable[[str], str]:
    """Builds an image of `images/` as it is now (Docker's layers make that quick) and gives its name."""

    client = docker.from_env(timeout=1800)

    def build(name: str) -> str:
        pin = PINS[name]
        tag = f"mlflow-platform/{name}:{pin.tag}"
        client.images.build(path=str(ROOT / pin.context), tag=tag, buildargs={"BASE": BASE["local"]}, rm=True)
        return tag

    return build
