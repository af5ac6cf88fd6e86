"""One stack that has lived without workspaces, and then gets some."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Platform, brought_up

WORKSPACES = ["vision", "nlp"]
TEAMS = {
    "platform-admins": {"mlflow": "ADMIN", "storage": "consoleAdmin", "members": ["ada"]},
    "model-developers": {"mlflow": {"default": "EDIT"}, "members": ["dev"]},
    "vision": {"mlflow": {"vision": "MANAGE"}, "members": ["vera"]},
    "nlp": {"mlflow": {"nlp": "EDIT"}, "members": ["nina"]},
    "vision-readers": {"mlflow": {"vision": "READ"}, "members": ["nina"]},
}


@pytest.fixture(scope="module")
def older(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, str]]:
    """The stack, now with workspaces, and what a training before that has printed."""
    with brought_up(tmp_path_factory.mktemp("rooms")) as stack:
        platform = Platform(stack, stack.outputs())
        printed = platform.example("train_digits.py", "dev")
        stack.set(
            {
                "workspaces": WORKSPACES,
                "teams": TEAMS,
                "dev_users": ["ada", "dev", "vera", "nina", "guest"],
                "service_clients": {"ci": {"team": "nlp"}},
            }
        )
        stack.up()
        platform.outputs = stack.outputs()
        yield platform, printed


@pytest.fixture(scope="module")
def rooms(older: tuple[Platform, str]) -> Platform:
    return older[0]
