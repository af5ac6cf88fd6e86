"""What several files share: one stage with a backup that has begun, since beginning one takes a while."""

from collections.abc import Callable, Iterator

import pytest

from tests.images.backups import Service, Stage


@pytest.fixture(scope="session")
def stage(local_image: Callable[[str], str]) -> Iterator[Stage]:
    stage = Stage(local_image)
    yield stage
    stage.close()


@pytest.fixture(scope="session")
def shared(stage: Stage) -> Service:
    return stage.service()


@pytest.fixture(scope="module")
def service(stage: Stage, shared: Service) -> Service:
    """It ships each second; rounds of artifacts are asked for."""
    stage.alone(shared)
    return shared
