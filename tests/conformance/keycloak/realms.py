"""The platform's own realm at the tests' Keycloak, declared by its component and brought up by the real CLI."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi

from components.people import Group
from components.realm import Realm, RealmArgs
from components.settings import Lifetimes, Passwords

from ..stacks import Stack
from .logins import TRACKING, App
from .world import administrator

ROOT = Path(__file__).parents[3]
GROUPS = {
    "model-admins": Group(policy="consoleAdmin", members=("ada",)),
    "model-developers": Group(policy="team-model-developers"),
}


@contextmanager
def realm(
    folder: Path, config: dict[str, Any], name: str, **settings: Any
) -> Iterator[tuple[Stack, App, dict[str, str]]]:
    """The stack, MLflow's client, and the local accounts' passwords: ada is an administrator."""
    stack = Stack(declared(config, name, **settings), "dev", folder, python=sys.executable, root=ROOT)
    try:
        stack.up()
        outputs = stack.outputs()
        yield stack, App(config["url"], name, outputs["secret"]), outputs["passwords"]
    finally:
        stack.destroy()


def declared(config: dict[str, Any], name: str, **settings: Any) -> Callable[[], None]:
    """The program."""

    class OfATest(Realm):
        pass

    OfATest.name = name

    def program() -> None:
        provider = administrator(config)
        arguments: dict[str, Any] = {
            "provider": provider,
            "keep_data": False,
            "public_url": config["url"],
            "tracking_url": TRACKING,
            "console_url": "http://127.0.0.1:2",
            "backchannel_logout_url": "http://127.0.0.1:3",
            "groups": GROUPS,
            "dev_users": ("ada",),
            "lifetimes": Lifetimes(),
            "events_days": 1,
            "password_grant": True,
            "directory": None,
            "identity_providers": {},
            "passwords": Passwords(),
            "second_factor": None,
            "smtp": None,
            **settings,
        }
        made = OfATest("realm", RealmArgs(**arguments))
        pulumi.export("secret", made.web.secret)
        pulumi.export("passwords", pulumi.Output.secret(made.passwords))

    return program
