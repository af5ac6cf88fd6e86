"""People of another provider: who gets in, as whom, and with which rights. It is a realm of the same Keycloak."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from components.people import Group
from components.settings.providers import OpenIdConnect

from ..harness import Plugin
from ..stacks import Stack
from .logins import App, Browser, Page, Tokens
from .phone import Phone
from .realms import GROUPS, realm
from .world import CLIENT, GROUP, GROUP_MAPPER, REALM, USER

KOELN = "ML / Entwicklung Köln"
SECRET = "provider-secret"
CODED = {"careful": Group(policy="team-careful", second_factor="code")}

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Elsewhere:
    """The provider: its people have their names for passwords."""

    plugin: Plugin
    realm: str
    groups: dict[str, str]  # name -> id

    def person(self, name: str, *groups: str, **more: Any) -> str:
        names = {"firstName": name.capitalize(), "lastName": "Elsewhere", "email": f"{name}@example.org"}
        password = {"value": f"{name}-secret", "temporary": False}
        inputs = {"realmId": self.realm, "username": name, **names, **more, "initialPassword": password}
        id = self.plugin.create(USER, inputs).id
        self.moves(id, *groups)
        return id

    def moves(self, person: str, *groups: str) -> None:
        """Who is in these groups from now on, and in no other."""
        for name, id in self.groups.items():
            change = self.plugin.client.put if name in groups else self.plugin.client.delete
            change(self.realm, "users", person, "groups", id)


@dataclass(frozen=True)
class Place:
    stack: Stack
    app: App
    ada: str
    elsewhere: Elsewhere

    def arrive(self, name: str, browser: Browser | None = None) -> "Page | Tokens":
        """What somebody sees who has logged in at the provider."""
        browser = browser or Browser(self.app)
        return browser.send(browser.start(kc_idp_hint="corp"), username=name, password=f"{name}-secret")

    def login(self, name: str) -> Tokens:
        arrived = self.arrive(name)
        assert isinstance(arrived, Tokens), arrived.text
        return arrived


@pytest.fixture(scope="module")
def place(
    plugin: Plugin, prefix: str, config: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder, ours = tmp_path_factory.mktemp("providers"), f"{prefix}-brokering"
    (folder / "secret").write_text(SECRET)
    url = config["url"]
    anybody = {"duplicateEmailsAllowed": True, "loginWithEmailAllowed": False}  # who says whatever address he likes
    named = {"realm": f"{prefix}-elsewhere", "attributes": {"frontendUrl": url}}
    there = plugin.create(REALM, {**named, **anybody})
    client = plugin.create(
        CLIENT,
        {
            "realmId": there.id,
            "clientId": "platform",
            "accessType": "CONFIDENTIAL",
            "clientSecret": SECRET,
            "standardFlowEnabled": True,
            "pkceCodeChallengeMethod": "S256",
            "validRedirectUris": [f"{url}/realms/{ours}/broker/corp/endpoint"],
        },
    )
    plugin.create(
        GROUP_MAPPER,
        {"realmId": there.id, "clientId": client.id, "name": "groups", "claimName": "groups", "fullPath": False},
    )
    groups = {
        name: plugin.create(GROUP, {"realmId": there.id, "name": name}).id
        for name in (KOELN, "model-admins", "careful")
    }
    inside = f"http://127.0.0.1:8080/realms/{there.id}/protocol/openid-connect"  # Keycloak asks itself
    settings = OpenIdConnect(
        kind="oidc",
        client_id="platform",
        secret_file=str(folder / "secret"),
        issuer="https://by.name",
        authorization="https://by.name",
        token="https://by.name",
        keys="https://by.name",
        groups={KOELN: "model-developers", "careful": "careful"},
    ).model_copy(
        update={
            "issuer": f"{url}/realms/{there.id}",
            "authorization": f"{url}/realms/{there.id}/protocol/openid-connect/auth",
            "token": f"{inside}/token",
            "keys": f"{inside}/certs",
        }
    )
    try:
        with realm(folder, config, ours, identity_providers={"corp": settings}, groups=GROUPS | CODED) as (
            stack,
            app,
            passwords,
        ):
            yield Place(stack, app, passwords["ada"], Elsewhere(plugin, there.id, groups))
    finally:
        plugin.delete(there)


def test_the_stack_stays_still_and_its_state_shows_no_secret(place: Place):
    for act in (place.stack.up, place.stack.refresh, place.stack.preview):
        assert act().keys() == {"same"}
    assert SECRET not in place.stack.state_file()


def test_a_group_there_gives_the_rights_of_its_team_for_as_long_as_a_login_says_so(place: Place):
    anna = place.elsewhere.person("anna", KOELN)
    first = place.login("anna")
    assert (first.teams, first.policies) == (["model-developers"], ["team-model-developers"])
    place.elsewhere.moves(anna)
    assert place.login("anna").teams == []
    place.elsewhere.moves(anna, KOELN)
    assert place.login("anna").teams == ["model-developers"]


def test_nobody_has_rights_by_coming_or_by_a_group_that_is_called_as_a_team(place: Place):
    place.elsewhere.person("bert", "model-admins")
    tokens = place.login("bert")
    assert (tokens.teams, tokens.policies) == ([], [])


@pytest.mark.parametrize("verified", [True, False])
def test_an_address_is_not_believed_because_the_provider_says_so(place: Place, verified: bool):
    name = f"carl-{verified}".lower()
    place.elsewhere.person(name, emailVerified=verified)
    assert place.login(name).claims["email_verified"] is False


def test_nobody_becomes_ada_by_her_name_without_her_password_and_she_does_with_it(place: Place):
    place.elsewhere.person("ada", KOELN, email="somebody@example.org")
    browser = Browser(place.app)
    page = place.arrive("ada", browser)
    assert isinstance(page, Page) and "already exists" in page.text
    asked = browser.send(page, submitAction="linkAccount")
    assert isinstance(asked, Page) and "password" in asked.fields
    refused = browser.send(asked, password="another-password-of-hers")
    assert isinstance(refused, Page) and "Invalid" in refused.text

    linked = browser.send(refused, password=place.ada)
    assert isinstance(linked, Tokens) and linked.claims["preferred_username"] == "ada"
    assert set(place.login("ada").teams) == {"model-admins", "model-developers"}


@pytest.mark.parametrize("verified", [True, False])
def test_nobody_becomes_ada_by_her_address_whatever_the_provider_says_of_it(place: Place, verified: bool):
    name = f"mallory-{verified}".lower()
    place.elsewhere.person(name, email="ada@example.com", emailVerified=verified)
    tokens = place.login(name)
    assert (tokens.claims["preferred_username"], tokens.teams) == (name, [])


def test_two_people_may_have_one_address(place: Place):
    for name in ("emil", "frida"):
        place.elsewhere.person(name, email="office@example.org")
        assert place.login(name).claims["preferred_username"] == name


def test_a_providers_own_tokens_are_shown_to_nobody(place: Place):
    place.elsewhere.person("dora")
    bearer = {"Authorization": f"Bearer {place.login('dora').access}"}
    answer = httpx.get(f"{place.app.url}/realms/{place.app.realm}/broker/corp/token", headers=bearer, trust_env=False)
    assert answer.status_code in (400, 401, 403)
    assert "access_token" not in answer.text


def test_who_needs_a_second_factor_is_asked_for_it_after_the_provider_too(place: Place):
    place.elsewhere.person("gerd", "careful")
    phone, browser = Phone(), Browser(place.app)
    arrived = phone.set_up(browser, place.arrive("gerd", browser))
    assert isinstance(arrived, Tokens) and arrived.teams == ["careful"]

    browser = Browser(place.app)
    asked = place.arrive("gerd", browser)
    assert isinstance(asked, Page) and "otp" in asked.fields
    again = browser.send(asked, otp="000000")
    assert isinstance(again, Page) and "Invalid" in again.text
    assert isinstance(browser.send(again, otp=phone.code()), Tokens)
