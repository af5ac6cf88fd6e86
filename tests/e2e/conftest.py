"""One stack for all of these tests, and people who use it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from playwright.sync_api import Browser

from tests.e2e import keycloak
from tests.e2e.browser import SCREENSHOTS, Person, chromium
from tests.e2e.checkouts import ROOT
from tests.e2e.stack import Stack

CLIENT = str(Path(sys.executable).parent / "mlflow-platform")


@contextmanager
def brought_up(
    directory: Path, settings: Mapping[str, Any] | None = None, ports: Mapping[str, int] | None = None
) -> Iterator[Stack]:
    """A stack for as long as the block runs; whatever is left of it afterwards is an error."""
    stack = Stack(directory, settings, ports)
    try:
        stack.up()
        yield stack
    finally:
        try:
            stack.destroy()
        finally:
            left = stack.clear()
    assert not left, f"destroy left {', '.join(left)}"


@dataclass
class Platform:
    """A stack from its users' side. What it hands out is remembered: nobody else may ever see it again."""

    stack: Stack
    outputs: dict[str, Any] = field(repr=False)
    handed_out: set[str] = field(default_factory=set, repr=False)
    homes: dict[str, Path] = field(default_factory=dict)  # of users who are logged in with the client
    authority: Path | None = None  # what users have to trust, where it is none that everybody does
    imports: Path | None = None  # a folder that Python programs of users find modules in

    @property
    def url(self) -> str:
        return self.outputs["mlflow_tracking_uri"]

    def token(self, user: str) -> str:
        """An access token, by the browser's way."""
        outputs = self.outputs
        token = keycloak.token(outputs["oidc_issuer_url"], outputs["client_id"], user, outputs["dev_users"][user])
        self.handed_out.add(token)
        return token

    def ask(
        self, token: str, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """A request to MLflow."""
        headers = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=30, trust_env=False, **options)

    def session(self, token: str) -> dict[str, str]:
        """Credentials for the object store."""
        answer = self.ask(token, "POST", "/api/2.0/mlflow-platform/session")
        assert answer.status_code == 200, answer.text
        session = answer.json()
        self.handed_out |= {session["secret_key"], session["session_token"]}
        return session

    def s3(self, token: str, **config: Any) -> Any:
        """A boto3 client with the bearer's own credentials."""
        session = self.session(token)
        return boto3.client(
            "s3",
            endpoint_url=session["endpoint"],
            region_name=session["region"],
            aws_access_key_id=session["access_key"],
            aws_secret_access_key=session["secret_key"],
            aws_session_token=session["session_token"],
            config=Config(**config),
        )

    def objects(self, token: str) -> set[str]:
        """The keys of all artifacts."""
        pages = self.s3(token).get_paginator("list_objects_v2").paginate(Bucket=self.outputs["artifact_bucket"])
        return {found["Key"] for page in pages for found in page.get("Contents", [])}

    def environment(self, **more: str) -> dict[str, str]:
        """What a user's shell exports, without anything that this process happens to have."""
        foreign = ("AWS_", "MLFLOW_", "BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        clean |= {"PYTHONPATH": str(self.imports)} if self.imports else {}
        return {**clean, "MLFLOW_TRACKING_URI": self.url, **more}

    def logged_in(self, user: str) -> dict[str, str]:
        """The environment of a user who has logged in once, by a code that she typed in at Keycloak."""
        if user not in self.homes:
            home = self.stack.backend.parent / f"home-of-{user}"
            self.log_in(user, home)
            self.homes[user] = home
        self._remember(self.homes[user])
        return self.environment(XDG_STATE_HOME=str(self.homes[user]), HOME=str(self.homes[user]))

    def as_service(self, client: str) -> dict[str, str]:
        """The environment of a service client, which logs in by itself and keeps nothing."""
        service = self.outputs["service_clients"][client]
        self.handed_out.add(service["client_secret"])
        return self.environment(
            MLFLOW_PLATFORM_CLIENT_ID=service["client_id"],
            MLFLOW_PLATFORM_CLIENT_SECRET=service["client_secret"],
            XDG_STATE_HOME="/nowhere",
        )

    def log_in(self, user: str, home: Path, *options: str, program: Path | str = CLIENT) -> None:
        """Runs `mlflow-platform login` and does at Keycloak what it says."""
        home.mkdir(exist_ok=True)
        trust = ["--ca-file", str(self.authority)] if self.authority else []
        login = subprocess.Popen(
            [program, "login", "--device", *trust, *options],
            env=self.environment(XDG_STATE_HOME=str(home), HOME=str(home)),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert login.stderr
        page = login.stderr.readline().split()[-1]
        keycloak.approve_device(page, user, self.outputs["dev_users"][user])
        said = login.communicate(timeout=60)[1]
        assert login.returncode == 0, said
        assert f"as {user}" in said
        self._remember(home)

    def run(self, command: list[str], environment: Mapping[str, str]) -> str:
        """Runs a program as a user does; what it prints."""
        done = subprocess.run(
            command, env=environment, cwd=self.stack.backend, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def example(self, script: str, user: str) -> str:
        """Runs a script of examples/ in a process of its own; what it prints."""
        printed = self.run([sys.executable, str(ROOT / "examples" / script)], self.logged_in(user))
        self._remember(self.homes[user])
        return printed

    def _remember(self, home: Path) -> None:
        for file in home.rglob("mlflow-platform/*.json"):
            kept = json.loads(file.read_text())["tokens"]
            self.handed_out |= {kept["access_token"], kept["refresh_token"]}


@pytest.fixture(scope="session")
def has_pulumi() -> None:
    if not shutil.which("pulumi"):
        pytest.fail("there is no pulumi on PATH: run these tests with ./platform test, which makes one")


@pytest.fixture(scope="session")
def platform(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with brought_up(tmp_path_factory.mktemp("platform")) as stack:
        yield Platform(stack, stack.outputs())


@pytest.fixture(scope="session")
def trained(platform: Platform) -> str:
    """What a developer's training run printed; its model is registered."""
    return platform.example("train_digits.py", "dev")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """No longer than one module: while it runs, no test in this thread can run an event loop of its own."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def someone(browser: Browser, platform: Platform) -> Iterator[Callable[[str], Person]]:
    """People, each at a browser of his own; the name is that of the screenshots' folder."""
    people: list[Person] = []

    def sit_down(name: str) -> Person:
        people.append(Person(browser, platform.outputs["dev_users"], name))
        return people[-1]

    yield sit_down
    for person in people:
        platform.handed_out |= set(person.cookies().values())
        person.leave()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SCREENSHOTS.exists():
        terminalreporter.write_line(f"screenshots: {SCREENSHOTS}")
