"""Logging in with a browser: the way there and back, and everything that may not come back."""

import pytest

from tests.plugin.browsing import Browser
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person


@pytest.fixture
def browser(server: Server) -> Browser:
    return Browser(server)


def test_a_login_comes_back_to_the_page_that_was_asked_for_and_is_known_from_then_on(browser: Browser) -> None:
    answer = browser.log_in(Person("ada"), "/some/page?a=1&b=%20#/experiments/3?x=y")
    assert (answer.status_code, answer.headers["location"]) == (303, "/some/page?a=1&b=%20#/experiments/3?x=y")
    assert browser.fetch().json()["user"]["username"] == "ada"
    assert browser.open("/").status_code == 200
