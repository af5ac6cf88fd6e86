"""A real browser, Chromium: what its pages keep, show and send, which no imitation of one can tell."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from launcher.browser import PROGRAM
from tests.plugin.conftest import Server
from tests.plugin.web_logins import Person

PATIENCE = 60_000  # milliseconds, for a busy machine
NAME = "Ada <b>Lovelace</b> & Söhne"


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    server.realm.web.visitor = Person(NAME)
    names = f"MAP keycloak.example:80 {server.backstage.url.removeprefix('http://')}"
    with sync_playwright() as driver:
        arguments = ["--no-sandbox", "--no-proxy-server", f"--host-resolver-rules={names}"]
        browser = driver.chromium.launch(executable_path=shutil.which(PROGRAM), args=arguments)
        page = browser.new_context(base_url=str(server.http.base_url)).new_page()
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def log_in(page: Page, address: str) -> None:
    page.goto(address)
    expect(page).to_have_title("Keycloak")
    page.get_by_role("button", name="Continue").click()


def test_a_person_logs_in_sees_who_he_is_and_logs_out(page: Page, server: Server) -> None:
    log_in(page, "/?x=1#/experiments?searchFilter=a%20b")
    expect(page).to_have_url(re.compile(r"/\?x=1#/experiments\?searchFilter=a%20b"), timeout=PATIENCE)
    out = page.get_by_role("button", name="Log out")
    expect(out).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text(NAME, exact=True).last).to_be_visible()
    assert page.locator("b", has_text="Lovelace").count() == 0
    out.click()
    expect(page).to_have_title("Keycloak", timeout=PATIENCE)
    page.get_by_role("button", name="Continue").click()  # yes, log out there, too
    expect(page).to_have_url(re.compile("/auth"), timeout=PATIENCE)  # and so back home, where nobody is logged in
    assert page.request.get("/oidc/session").status == 401


def test_a_page_that_outlived_its_session_comes_back_through_the_login(page: Page) -> None:
    log_in(page, "/#/models")
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE)
    page.context.clear_cookies()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page).to_have_title("Keycloak", timeout=PATIENCE)
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_url(re.compile("/#/models"), timeout=PATIENCE)


def test_a_page_of_another_port_reaches_nothing_with_the_cookie(page: Page, server: Server) -> None:
    log_in(page, "/")
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=PATIENCE)
    target = str(server.http.base_url)
    attacks = """async ([target, paths]) => {
        for (const [method, path] of paths)
            await fetch(target + path, {method, mode: 'no-cors', credentials: 'include'}).catch(() => null)
    }"""
    evil = page.context.new_page()
    answers: dict[str, int] = {}
    evil.on("response", lambda answer: answers.update({answer.url: answer.status}))
    evil.goto(f"{server.backstage.url}/realms/test/protocol/openid-connect/auth?")  # any page there; same site
    paths = [("POST", "/graphql"), ("POST", "/v1/traces"), ("GET", "/oidc/session"), ("POST", "/oidc/logout")]
    evil.evaluate(attacks, [target, paths])
    for _, path in paths:
        assert answers[target + path] == 403
    assert page.request.get("/oidc/session").status == 200
