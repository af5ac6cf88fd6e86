"""Logging in with a browser: the way there and back, and everything that may not come back."""

import re

import pytest

from tests.plugin.browsing import FETCH, NAVIGATE, Browser
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


@pytest.mark.parametrize("headers", [NAVIGATE, {"Accept": "text/html,*/*;q=0.8"}])
def test_any_page_leads_to_the_login_and_back(browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.http.get("/a/page?q=%2F%2Fx&q=2", headers=headers)
    assert answer.status_code == 302
    back = browser.come_back(browser.realm.web.authorize(answer.headers["location"], Person()))
    assert back.headers["location"] == "/a/page?q=%2F%2Fx&q=2"


def test_the_home_page_keeps_what_only_the_browser_knows_of_its_address(browser: Browser) -> None:
    answer = browser.open("/?x=1")
    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
    assert "location.hash" in answer.text
    assert re.search(r"default-src 'none';.* script-src 'sha256-[^']+='$", answer.headers["content-security-policy"])
    login = browser.http.get("/oidc/login", params={"return_to": "/?x=1#/models/m"}, headers=NAVIGATE)
    back = browser.come_back(browser.realm.web.authorize(login.headers["location"], Person()))
    assert back.headers["location"] == "/?x=1#/models/m"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/ajax-api/2.0/mlflow/users/current", FETCH),
        ("GET", "/", FETCH),
        ("GET", "/", {"Accept": "*/*"}),
        ("GET", "/page", {**NAVIGATE, "Sec-Fetch-Dest": "iframe"}),
        ("GET", "/page", {"Sec-Fetch-Mode": "no-cors", "Accept": "text/html"}),
        ("GET", "/page", {**NAVIGATE, "Authorization": "Basic YTpi"}),
        ("POST", "/page", NAVIGATE),
        *(
            ("GET", path, NAVIGATE)
            for path in (
                "/api/2.0/mlflow/users/current",
                "/ajax-api/2.0/mlflow/users/current",
                "/graphql",
                "/v1/traces",
                "/gateway/x",
                "/get-artifact",
                "/model-versions/get-artifact",
                "/oidc/session",
            )
        ),
    ],
)
def test_what_is_not_a_page_is_told_that_it_is_unauthenticated(
    browser: Browser, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = browser.http.request(method, path, headers=headers)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
    assert "set-cookie" not in answer.headers


def test_two_tabs_log_in_side_by_side(browser: Browser) -> None:
    first, second = browser.begin("/first"), browser.begin("/second")
    for url, page in ((first, "/first"), (second, "/second")):
        assert browser.come_back(browser.realm.web.authorize(url, Person())).headers["location"] == page


def test_logins_that_are_never_finished_do_not_fill_the_browser(browser: Browser) -> None:
    urls = [browser.begin(f"/{'x' * 1500}") for _ in range(6)]
    held = [cookie for cookie in browser.http.cookies.jar if cookie.path == "/oidc"]
    assert 1 < sum(len(cookie.value or "") for cookie in held) < 6500
    assert browser.come_back(browser.realm.web.authorize(urls[-1], Person())).status_code == 303
    assert browser.come_back(browser.realm.web.authorize(urls[0], Person())).status_code == 400


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/%2f/evil.example",
        "/%2fevil.example",
        "/%5cevil.example",
        "/%255cevil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/\x00/evil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "//user@evil.example",
        "@evil.example",
        ".evil.example",
        "/.//evil.example",
        "/x/..//evil.example",
        "/é",
        "/oidc/login?return_to=/",
        "/oidc",
        "/" + "x" * 5000,
        "",
    ],
)
def test_a_login_returns_to_this_server_only(browser: Browser, evil: str) -> None:
    assert browser.log_in(return_to=evil).headers["location"] == "/"


def test_of_two_return_addresses_neither_counts(browser: Browser) -> None:
    url = browser.http.get("/oidc/login?return_to=/a&return_to=/b").headers["location"]
    assert browser.come_back(browser.realm.web.authorize(url, Person())).headers["location"] == "/"


def test_every_login_has_a_new_session_and_the_browsers_old_one_ends(server: Server, browser: Browser) -> None:
    browser.log_in(Person("ada"))
    name, old = browser.session_cookie
    browser.log_in(Person("bert"))
    assert browser.session_cookie[1] != old
    assert browser.fetch().json()["user"]["username"] == "bert"
    fixed = Browser(server)
    fixed.http.cookies.set(name, old)
    assert fixed.fetch().status_code == 401


def test_a_session_that_somebody_set_beforehand_is_not_the_one_that_counts(server: Server, browser: Browser) -> None:
    browser.log_in(Person("ada"))
    name, _ = browser.session_cookie
    victim, chosen = Browser(server), "A" * 43
    victim.http.cookies.set(name, chosen, domain="127.0.0.1")
    victim.log_in(Person("bert"))
    assert victim.session_cookie[1] != chosen
    attacker = Browser(server)
    attacker.http.cookies.set(name, chosen)
    assert attacker.fetch().status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/oidc/login"),
        ("HEAD", "/oidc/callback"),
        ("POST", "/oidc/callback"),
        ("GET", "/oidc/logout"),
        ("GET", "/oidc/backchannel-logout"),
        ("POST", "/oidc/account.js"),
    ],
)
def test_each_route_has_its_methods(browser: Browser, method: str, path: str) -> None:
    assert browser.http.request(method, path).status_code == 405
