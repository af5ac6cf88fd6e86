"""MLflow, Keycloak and MinIO's console in a real browser, over https alone."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Request, expect

from tests.e2e.browser import Person
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

# What MLflow's and MinIO's own pages write there on any platform, when they ask for what their user may not see.
_REFUSALS = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d|.*Access Denied")


class Visit:
    """A person, and everything that the browser said and asked for meanwhile."""

    def __init__(self, person: Person):
        self.person = person
        self.page = person.page
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.sockets: list[str] = []
        self.left: list[str] = []  # what a page was still loading when he went on to another
        person.page.on("console", self._said)
        person.page.on("pageerror", lambda error: self.errors.append(str(error)))
        person.page.on("websocket", lambda socket: self.sockets.append(socket.url))
        person.context.on("request", self._asked)
        person.context.on("requestfailed", self._failed)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _REFUSALS.match(message.text):
            self.errors.append(message.text)

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)

    def _failed(self, request: Request) -> None:
        if request.failure == "net::ERR_ABORTED":
            self.left.append(request.url)
        else:
            self.errors.append(f"{request.url}: {request.failure}")

    def wrong(self) -> list[str]:
        """Scripts tell of files that never came, which those of a page are that was left."""
        return [error for error in self.errors if not any(url in error for url in self.left)]


@pytest.fixture(scope="module")
def visit(platform: Platform, trained: str, someone: Callable[[str], Person]) -> Iterator[Visit]:
    """Somebody who followed a link to a run, and logged in on the way there."""
    link = re.findall(r"https\S+/runs/\w+", trained)[0]
    made = Visit(someone("https"))
    made.person.open(link)
    made.person.log_in("dev")
    expect(made.page).to_have_url(re.compile(re.escape(link)))
    expect(made.page.get_by_text("accuracy").first).to_be_visible()
    made.person.saw("run")
    yield made


def test_an_artifact_is_shown(platform: Platform, trained: str, visit: Visit):
    link = re.findall(r"https\S+/runs/\w+", trained)[0]
    experiment, run = re.findall(r"experiments/(\d+)/runs/(\w+)", link)[0]
    s3, bucket = platform.s3(platform.token("dev")), platform.outputs["artifact_bucket"]
    s3.put_object(Bucket=bucket, Key=f"{experiment}/{run}/artifacts/notes.txt", Body=b"seven swans a-swimming")
    visit.person.open(f"{link}/artifacts/notes.txt")
    expect(visit.page.get_by_text("seven swans a-swimming")).to_be_visible()


def test_the_console_needs_no_second_login_and_lists_objects_by_its_websocket(platform: Platform, visit: Visit):
    console = platform.outputs["minio_console_url"]
    visit.person.open(console)
    visit.page.get_by_role("button", name="Keycloak").click()
    expect(visit.page.get_by_role("button", name="Sign Out")).to_be_visible()
    visit.person.open(f"{console}/browser/{platform.outputs['artifact_bucket']}")
    expect(visit.page.get_by_role("gridcell", name=re.compile(r"^\d+$")).first).to_be_visible()
    visit.person.saw("console")
    assert any(socket.startswith(console.replace("https://", "wss://")) for socket in visit.sockets)


def test_every_cookie_that_logs_somebody_in_is_secure_and_mlflows_is_the_hosts_own(platform: Platform, visit: Visit):
    cookies = visit.person.context.cookies()
    assert [it for it in cookies if not it.get("secure")] == []
    for url, expected in (
        (platform.url, "__Host-mlflow-platform-"),
        (f"{platform.outputs['oidc_issuer_url']}/", "KEYCLOAK_IDENTITY"),
        (platform.outputs["minio_console_url"], "token"),
    ):
        names = [it.get("name", "") for it in visit.person.context.cookies(url)]
        assert [name for name in names if name.startswith(expected)], (url, names)
    assert [it.get("domain", "") for it in cookies if it.get("domain", "").startswith(".")] == []  # one site's alone


def test_a_logout_ends_it_and_the_next_login_asks_for_the_password(platform: Platform, visit: Visit):
    visit.person.open(platform.url)
    visit.page.get_by_role("button", name="Log out").click()
    expect(visit.page.locator("#password")).to_be_visible()
    assert urlsplit(visit.page.url).hostname == urlsplit(platform.outputs["keycloak_url"]).hostname


def test_nothing_was_asked_for_over_http_nothing_elsewhere_and_no_page_had_an_error(visit: Visit):
    """Last, so that it is about all of the above."""
    assert visit.requests
    assert [url for url in visit.requests if not url.startswith(("https:", "data:", "blob:"))] == []
    assert [url for url in visit.sockets if not url.startswith("wss:")] == []
    assert visit.person.elsewhere() == set()
    assert visit.wrong() == []
