"""Keycloak's administration is not for the public: through the gateway there are logins, and nothing else of it."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Response, expect

from tests.disguises import DISGUISED, ask
from tests.e2e.browser import Person
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e


@pytest.fixture
def administrator(browser: Browser, platform: Platform) -> Iterator[Person]:
    admin = platform.outputs["keycloak_admin"]
    person = Person(browser, {admin["user"]: admin["password"]}, "keycloak's administrator")
    yield person
    platform.handed_out |= set(person.cookies().values())
    person.leave()


@pytest.mark.parametrize("path", DISGUISED, ids=ascii)
def test_nobody_finds_administration_at_the_public_address(platform: Platform, path: str):
    for method in ("GET", "POST"):
        status, said = ask(platform.stack.ports["keycloak"], path, method=method)
        assert status in (400, 404), said
        assert "master" not in said.lower() and "admin" not in said.lower()
        assert "realm" not in said.lower()  # the gateway's own answer: Keycloak's says that there is no such realm


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Original-URL", "Forwarded"])
def test_no_header_makes_a_stranger_an_administrator(platform: Platform, name: str):
    ports = platform.stack.ports
    for value in (f"localhost:{ports['admin_keycloak']}", "keycloak:8080", "/admin/", "host=keycloak:8080"):
        host = [] if name == "Host" else [f"Host: localhost:{ports['keycloak']}"]
        for path in ("/admin/", "/realms/master", "/admin/master/console/"):
            assert ask(ports["keycloak"], path, *host, f"{name}: {value}")[0] in (400, 404)
        _, said = ask(ports["keycloak"], "/realms/mlflow/.well-known/openid-configuration", *host, f"{name}: {value}")
        assert "/realms/master" not in said and "/admin" not in said


def test_keycloaks_own_protocol_carries_no_request_past_the_gateway(platform: Platform):
    """Keycloak speaks HTTP/2 in the clear with whoever asks it to, and on such a connection nobody judges paths."""
    ports = platform.stack.ports
    upgrade = ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Connection: Upgrade, HTTP2-Settings")
    status, said = ask(ports["keycloak"], "/realms/mlflow", f"Host: localhost:{ports['keycloak']}", *upgrade)
    assert status in (200, 400), said


def test_the_front_page_leads_to_mlflow(platform: Platform):
    answer = httpx.get(platform.outputs["keycloak_url"], trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (302, f"{platform.url}/")


def test_tokens_name_the_public_address_wherever_keycloak_is_asked(platform: Platform):
    issuer = platform.outputs["oidc_issuer_url"]
    discovery = "/realms/mlflow/.well-known/openid-configuration"
    asked = "import sys, urllib.request as web; print(web.urlopen(sys.argv[1]).read().decode())"
    within = platform.stack.run("mlflow", ["python", "-c", asked, f"http://keycloak:8080{discovery}"])
    loopback = httpx.get(f"http://127.0.0.1:{platform.stack.ports['admin_keycloak']}{discovery}", trust_env=False).text
    for said in (within, loopback, httpx.get(platform.outputs["keycloak_url"] + discovery, trust_env=False).text):
        assert f'"issuer":"{issuer}"' in said
        assert f'"authorization_endpoint":"{issuer}/' in said
    assert '"token_endpoint":"http://keycloak:8080/' in within


def test_administrators_log_in_on_loopback_and_see_the_platforms_realm(platform: Platform, administrator: Person):
    person = administrator
    asked = watched(person)
    person.open(platform.outputs["keycloak_admin_url"])
    person.log_in(platform.outputs["keycloak_admin"]["user"])
    expect(person.page.get_by_text("Manage realms")).to_be_visible()
    person.open("about:blank")  # the console's pages differ behind the # only, and one would not be loaded anew
    person.open(f"{platform.outputs['keycloak_admin_url']}master/console/#/mlflow/users")
    expect(person.page.get_by_role("heading", name="Users", exact=True)).to_be_visible()
    person.page.get_by_placeholder("Search user").fill("vera")
    person.page.keyboard.press("Enter")
    expect(person.page.get_by_role("link", name="vera", exact=True)).to_be_visible()
    person.saw("users")
    assert {urlsplit(answer.url).port for answer in asked} == {platform.stack.ports["admin_keycloak"]}
    assert failures(asked) == set()


def test_a_persons_account_is_at_the_public_address_with_all_of_its_pages(
    platform: Platform, someone: Callable[[str], Person]
):
    person = someone("an account")
    asked = watched(person)
    account = f"{platform.outputs['oidc_issuer_url']}/account"
    for page, shown in (
        ("", "Personal info"),
        ("/account-security/signing-in", "Signing in"),
        ("/account-security/device-activity", "Device activity"),
        ("/applications", "Application"),
        ("/groups", "Groups"),
    ):
        person.open(account + page)
        if not page:
            person.log_in("vera")
        expect(person.page.get_by_role("heading", name=shown, exact=True).first).to_be_visible()
        person.saw(shown)
    person.open(f"{platform.outputs['oidc_issuer_url']}/protocol/openid-connect/logout")
    person.page.locator("#kc-logout").click()
    expect(person.page.get_by_text("You are logged out").first).to_be_visible()
    assert {urlsplit(answer.url).port for answer in asked} == {platform.stack.ports["keycloak"]}
    assert failures(asked) == set()


def watched(person: Person) -> list[Response]:
    """What the person's pages are answered, from now on."""
    answers: list[Response] = []
    person.page.on("response", lambda answer: answers.append(answer))
    return answers


def failures(answers: list[Response]) -> set[tuple[int, str]]:
    return {(answer.status, urlsplit(answer.url).path) for answer in answers if answer.status >= 400}
