"""When the keeper of certificates asks the ACME server, and what it says: without any server."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "images/certificates/keeper.py"
HOUR = 3600
SETTINGS = {
    "email": None,
    "directory": "https://acme.test/directory",
    "key_type": "ecdsa",
    "domains": ["mlflow.test"],
    "check_seconds": 12 * HOUR,
    "retry_seconds": 300,
}

REFUSED = """\
Saving debug log to /certificates/acme/logs/letsencrypt.log
Requesting a certificate for mlflow.test and keycloak.test

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported these problems:
  Domain: mlflow.test
  Type:   unauthorized
  Detail: 10.0.0.1: Invalid response from http://mlflow.test/.well-known/acme-challenge/si-awfWaaDW3eYRLZmL-3BHm7aFLrY9zT1D9ZGaxe0g: 404

  Domain: keycloak.test
  Type:   connection
  Detail: 10.0.0.2: Connection refused

Hint: The Certificate Authority failed to download the temporary challenge files created by Certbot.

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""  # noqa: E501
DOWN = """\
An unexpected error occurred:
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pebble', port=14000): Max retries exceeded with url: /dir (Caused by NameResolutionError("<urllib3.connection.HTTPSConnection object at 0x7f2951357a10>: Failed to resolve 'pebble' ([Errno -2] Name or service not known)"))
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""  # noqa: E501
LIMITED = """\
An unexpected error occurred:
too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s
Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile for more details.
"""


class World:
    """A keeper's machine: a clock that is turned by hand, and a certbot that is always refused."""

    def __init__(self, module: ModuleType, folder: Path):
        self.now = 1_800_000_000.0
        self.asked: list[float] = []
        self._module = module
        paths = {"SERVED": "served", "CHALLENGES": "challenges", "ACME": "acme"}
        paths |= {"CERTBOT": "acme/certbot", "CHAIN": "acme/none", "KEY": "acme/none"}
        vars(module).update({name: folder / path for name, path in paths.items()}, _run=self._run, time=self)

    def time(self) -> float:
        return self.now

    def start(self, **changed: Any) -> Any:
        return self._module.Keeper(self._module.Settings(**{**SETTINGS, **changed}))

    def restart_for(self, seconds: int, **changed: Any) -> None:
        """A container that starts every 100 seconds, and comes as far as an attempt if one is allowed."""
        for _ in range(seconds // 100):
            keeper = self.start(**changed)
            keeper.serve()
            if keeper._state.next_attempt <= self.now:
                keeper.attempt()
            self.now += 100

    def _run(self, *command: str | Path, environment: dict[str, str] | None = None) -> tuple[int, str]:
        if command[0] == "certbot":
            self.asked.append(self.now)
            return 1, REFUSED
        return 0, ""


@pytest.fixture
def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("keeper_of_certificates", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("os.fsync", lambda _: None)  # thousands of them, and no power fails here
    return World(module, tmp_path)


def test_a_container_that_restarts_for_ever_keeps_within_lets_encrypts_limits(world: World):
    """Five failed validations an hour: https://letsencrypt.org/docs/rate-limits/."""
    world.restart_for(30 * HOUR)
    for moment in world.asked:
        assert len([other for other in world.asked if moment <= other < moment + HOUR]) <= 5
    assert world.asked[1] - world.asked[0] <= 400, "somebody who has just set the name right does not wait long"
    assert world.asked[-1] - world.asked[-2] <= 6.7 * HOUR, "and tomorrow it is still tried"


def test_other_settings_are_tried_at_once_and_the_same_ones_are_not(world: World):
    world.restart_for(10 * HOUR)
    before = len(world.asked)
    world.restart_for(100)
    assert len(world.asked) == before
    world.restart_for(100, domains=["keycloak.test"])
    assert len(world.asked) == before + 1


def test_an_attempt_that_never_came_back_counts(world: World, module: ModuleType):
    def killed(*command: str | Path, **_: Any) -> tuple[int, str]:
        if command[0] == "certbot":
            world.asked.append(world.now)
            raise SystemExit
        return 0, ""

    vars(module)["_run"] = killed
    with pytest.raises(SystemExit):
        world.start().attempt()
    world.restart_for(4 * 60)
    assert len(world.asked) == 1


def test_a_clock_that_was_wrong_does_not_put_the_next_attempt_off_for_years(world: World):
    world.now += 20 * 365 * 24 * HOUR
    world.start().attempt()
    world.now -= 20 * 365 * 24 * HOUR
    world.restart_for(13 * HOUR)
    assert len(world.asked) > 1


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            REFUSED,
            "mlflow.test: 10.0.0.1: Invalid response from http://mlflow.test/.well-known/acme-challenge/...: 404"
            " (unauthorized); keycloak.test: 10.0.0.2: Connection refused (connection)",
        ),
        (DOWN, "the ACME server cannot be reached: Failed to resolve 'pebble' ([Errno -2] Name or service not known)"),
        (LIMITED, LIMITED.splitlines()[1]),
        ("", "certbot said nothing"),
        ("Missing command line flag.\nAsk for help or search for solutions", "Missing command line flag"),
    ],
    ids=["refused", "down", "limited", "silent", "else"],
)
def test_the_reason_is_what_the_server_said_without_tokens(module: ModuleType, output: str, reason: str):
    assert module.reason(output) == reason
