"""What the running server writes down: who logged in and out, who was refused and why, from where."""

import json
from typing import Any

import pytest
from mlflow_platform.server.credentials.endpoints import SESSION

from tests.plugin.browsing import Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person


class Trail:
    """The events since it was made."""

    def __init__(self, server: Server):
        self._file = server.log_file
        self._begin = len(self._file.read_text())

    def events(self) -> list[dict[str, Any]]:
        lines = self._file.read_text()[self._begin :].splitlines()
        found = [line[line.index("{") :] for line in lines if '"event": ' in line]
        return [json.loads(line) for line in found]

    def of(self, event: str) -> dict[str, Any]:
        """The one event of that kind."""
        (only,) = [found for found in self.events() if found["event"] == event]
        assert only["address"] == "127.0.0.1"
        return only


@pytest.fixture
def trail(server: Server) -> Trail:
    return Trail(server)


@pytest.fixture
def browser(server: Server) -> Browser:
    return Browser(server)


def test_a_login_and_its_logout_say_who(browser: Browser, trail: Trail) -> None:
    browser.log_in(Person("grace"))
    assert (trail.of("login")["user"], trail.of("login")["client"]) == ("grace", "mlflow")
    browser.log_out()
    assert trail.of("logout")["user"] == "grace"


def test_a_logout_from_behind_says_whose_session_and_how_many(server: Server, browser: Browser, trail: Trail) -> None:
    person = Person("heidi")
    browser.log_in(person)
    token = server.realm.web.logout_token(person)
    assert server.http.post("/oidc/backchannel-logout", data={"logout_token": token}).status_code == 200
    ended = trail.of("backchannel_logout")
    assert (ended["keycloak_session"], ended["sessions"]) == (person.sid, 1)


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/oidc/callback?state=forged&code=x", "no such login"), ("/oidc/callback", "no such login")],
)
def test_a_refused_login_is_written_down(browser: Browser, trail: Trail, path: str, reason: str) -> None:
    browser.open(path)
    assert reason in trail.of("refused")["reason"]


def test_a_login_that_keycloak_denies_is_written_down(browser: Browser, trail: Trail) -> None:
    back = browser.realm.web.authorize(browser.begin(), Person())
    state = back.partition("state=")[2].partition("&")[0]
    browser.come_back(f"{browser.origin}/oidc/callback?error=access_denied&state={state}")
    assert (trail.of("refused")["status"], trail.of("refused")["reason"]) == (403, "Keycloak says access_denied")


def test_forged_logouts_are_written_down(server: Server, browser: Browser, trail: Trail) -> None:
    browser.log_in(Person())
    browser.log_out(Origin="http://mallory.example")
    assert trail.of("refused")["status"] == 403
    server.http.post("/oidc/backchannel-logout", data={"logout_token": "forged"})
    assert [event["status"] for event in trail.events() if event["event"] == "refused"] == [403, 400]


def test_what_mlflow_refuses_is_written_down_with_the_user(server: Server, trail: Trail) -> None:
    made = server.realm.token("ivan", ("managers",))
    experiment = server.ask(made, "POST", "/api/2.0/mlflow/experiments/create", json={"name": "of-ivan"})
    body = {"experiment_id": experiment.json()["experiment_id"]}
    assert server.as_member("editors", "POST", "/api/2.0/mlflow/experiments/delete", json=body).status_code == 403
    assert (trail.of("refused")["user"], trail.of("refused")["status"]) == ("member-of-editors", 403)


def test_credentials_are_written_down_by_their_name_alone(server: Server, trail: Trail) -> None:
    given = server.ask(server.realm.token("judy"), "POST", SESSION).json()
    event = trail.of("credentials")
    assert (event["user"], event["access_key"]) == ("judy", given["access_key"])
    assert not {given["secret_key"], given["session_token"]} & set(event.values())
