"""Containers come and go; what was written stays, and everything finds each other again."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from docker.models.containers import Container

from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

_BOUND = 120.0  # seconds, most of which Keycloak takes


def seen_by_a_developer(platform: Platform) -> tuple[str, str, set[str]]:
    """By a fresh login: experiments, model versions, and the objects in the bucket."""
    token = platform.token("dev")
    experiments = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 100})
    models = platform.ask(token, "GET", "/api/2.0/mlflow/model-versions/search")
    assert (experiments.status_code, models.status_code) == (200, 200)
    return experiments.text, models.text, platform.objects(token)


def soon(platform: Platform, expected: tuple[str, str, set[str]]) -> None:
    deadline = time.monotonic() + _BOUND
    while True:
        try:
            assert seen_by_a_developer(platform) == expected
            return
        except (AssertionError, httpx.HTTPError, BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def restart(container: Container) -> None:
    container.restart(timeout=20)


def test_a_restart_of_everything_at_once_loses_nothing(platform: Platform, trained: str):
    before = seen_by_a_developer(platform)
    containers = platform.stack.containers()
    with ThreadPoolExecutor(len(containers)) as pool:
        list(pool.map(restart, containers))
    soon(platform, before)


@pytest.mark.slow
@pytest.mark.parametrize("service", ["postgres", "keycloak", "minio-1", "mlflow", "gateway"])
def test_a_restart_of_one_loses_nothing(platform: Platform, trained: str, service: str):
    before = seen_by_a_developer(platform)
    restart(platform.stack.container(service))
    soon(platform, before)
