"""Who needs more than a password, at each way in; over a person's shoulder, or with a password that was stolen."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from components.people import Group
from components.settings import Lifetimes, Smtp
from tests.e2e.browser import chromium

from ..harness import Plugin
from ..stacks import Stack
from .conftest import Server
from .logins import CHALLENGE, TRACKING, App, Browser, NoTokens, Page, Tokens
from .phone import Phone
from .post import Post, link, post_office
from .realms import GROUPS, declared, realm

TEAMS = GROUPS | {
    "careful": Group(policy="team-careful", members=("bert", "carl", "dora", "gina", "ivan"), second_factor="code"),
    "more-careful": Group(policy="team-more-careful", members=("emil", "frida", "hugo"), second_factor="passkey"),
}
PEOPLE = tuple(sorted({"ada", *(name for team in TEAMS.values() for name in team.members)}))
_ARRIVED = re.compile(rf"{re.escape(TRACKING)}/oidc/callback\?.*code=")

pytestmark = pytest.mark.timeout(900)


@dataclasses.dataclass(frozen=True)
class Place:
    stack: Stack
    app: App
    passwords: dict[str, str]
    plugin: Plugin
    post: Post
    config: dict[str, Any]
    settings: dict[str, Any]

    def enter(self, name: str, browser: Browser, **query: str) -> Page | Tokens:
        """What somebody sees who has given the right password."""
        return browser.send(browser.start(**query), username=name, password=self.passwords[name])

    def changed(self, **settings: Any) -> None:
        """Edits the program, and applies it."""
        self.stack.use(declared(self.config, self.app.realm, **{**self.settings, **settings}))
        self.stack.up()


@pytest.fixture(scope="module")
def place(plugin: Plugin, server: Server, prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    # A passkey is for a name and none for an address; browsers let `localhost` have some without https.
    config = {**server.arguments, "url": server.arguments["url"].replace("127.0.0.1", "localhost")}
    with post_office(server.machine) as post:
        smtp = Smtp(host="127.0.0.1", port=post.port, encryption="none", sender="ml@example.org")
        settings = {"groups": TEAMS, "dev_users": PEOPLE, "smtp": smtp.model_copy(update={"host": server.machine})}
        folder = tmp_path_factory.mktemp("second-factor")
        with realm(folder, config, f"{prefix}-second-factor", **settings) as (stack, app, passwords):
            yield Place(stack, app, passwords, plugin, post, config, settings)


def test_the_stack_stays_still(place: Place):
    for act in (place.stack.up, place.stack.refresh, place.stack.preview):
        assert act().keys() == {"same"}


def test_who_is_in_no_such_team_gets_in_with_a_password(place: Place):
    assert isinstance(place.enter("ada", Browser(place.app)), Tokens)
    assert place.app.password("ada", place.passwords["ada"]).teams == ["model-admins"]


def test_a_code_is_set_up_at_the_next_login_and_asked_for_ever_after(place: Place):
    phone, browser = Phone(), Browser(place.app)
    first = phone.set_up(browser, place.enter("bert", browser))
    assert isinstance(first, Tokens) and first.teams == ["careful"]
    assert isinstance(browser.start(), Tokens)  # the session goes on

    browser = Browser(place.app)
    asked = place.enter("bert", browser)
    assert isinstance(asked, Page) and "otp" in asked.fields
    again = browser.send(asked, otp="000000")  # two such, and Keycloak lets nobody in for a minute
    assert isinstance(again, Page) and "Invalid" in again.text
    assert isinstance(browser.send(again, otp=phone.code()), Tokens)


def test_a_code_is_of_no_use_to_who_saw_it(place: Place):
    phone, browser = Phone(), Browser(place.app)
    phone.set_up(browser, place.enter("carl", browser))
    code = phone.code()
    browser, thief = Browser(place.app), Browser(place.app)
    assert isinstance(browser.send(place.enter("carl", browser), otp=code), Tokens)
    assert isinstance(thief.send(place.enter("carl", thief), otp=code), Page)


@pytest.mark.parametrize("name", ["bert", "gina", "hugo"])
@pytest.mark.parametrize("client", ["mlflow", "admin-cli"])
def test_a_password_that_a_program_sends_is_not_enough(place: Place, name: str, client: str):
    """Whether its owner has set up something (bert) or not, and by which client of the realm."""
    own = {"client_id": client, **({"client_secret": place.app.secret} if client == "mlflow" else {})}
    grant = {"grant_type": "password", "username": name, "password": place.passwords[name], "scope": "openid"}
    answer = httpx.post(f"{place.app.oidc}/token", data={**grant, **own}, trust_env=False, timeout=60)
    assert answer.status_code in (400, 401)
    assert "access_token" not in answer.text


def test_the_account_console_asks_for_it_too(place: Place):
    """Else who has the password would get a session there, which all clients take."""
    console = f"{place.config['url']}/realms/{place.app.realm}/account/"
    browser = Browser(place.app)
    asked = {"client_id": "account-console", "redirect_uri": console, "response_type": "code", "scope": "openid"}
    pkce = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    login = browser.open(f"{place.app.oidc}/auth?{httpx.QueryParams(asked | pkce)}")
    arrived = browser.send(login, username="dora", password=place.passwords["dora"])
    assert isinstance(arrived, Page) and "totpSecret" in arrived.fields
    assert isinstance(browser.start(), Page)  # and there is no session


def test_who_reads_somebodys_mail_gets_a_new_password_and_not_in(place: Place):
    phone, browser = Phone(), Browser(place.app)
    phone.set_up(browser, place.enter("dora", browser))

    thief = Browser(place.app)
    login = thief.start()
    assert isinstance(login, Page)
    (forgotten,) = [it for it in login.links.values() if "reset-credentials" in it]
    thief.send(thief.open(f"{place.config['url']}{forgotten}"), username="dora")
    asked = thief.open(link(place.post.messages[-1]))
    assert isinstance(asked, Page) and "password-new" in asked.fields, asked
    new = "a-thief-chose-this-one"
    after = thief.send(asked, **{"password-new": new, "password-confirm": new})
    assert isinstance(after, Page)
    assert isinstance(thief.start(), Page)

    thief = Browser(place.app)
    inside = thief.send(thief.start(), username="dora", password=new)
    assert isinstance(inside, Page) and "otp" in inside.fields
    assert isinstance(thief.send(inside, otp=phone.code()), Tokens)  # her own phone goes on


def test_a_change_of_the_realm_does_not_let_anybody_in(place: Place):
    place.changed(lifetimes=Lifetimes(session_idle=3600))
    try:
        assert isinstance(place.enter("ivan", Browser(place.app)), Page)
        with pytest.raises(NoTokens):
            place.app.password("ivan", place.passwords["ivan"])
    finally:
        place.changed()
    assert isinstance(place.enter("ivan", Browser(place.app)), Page)
    assert place.stack.preview().keys() == {"same"}


def test_a_passkey_opens_and_nothing_less_does(place: Place):
    with chromium() as browser:
        tab = browser.new_context().new_page()
        devtools = tab.context.new_cdp_session(tab)
        devtools.send("WebAuthn.enable")
        key = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        answers = {"isUserVerified": True, "automaticPresenceSimulation": True}
        devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**key, **answers}})
        _enter(tab, place, "emil")
        tab.once("dialog", lambda dialog: dialog.accept("key"))
        _arrives_by(tab, "#registerWebAuthn")

        tab.context.clear_cookies()
        _enter(tab, place, "emil")
        _arrives_by(tab, "#authenticateWebAuthnButton")

    without = place.enter("emil", Browser(place.app))
    assert isinstance(without, Page) and "otp" not in without.fields


def _enter(tab: Tab, place: Place, name: str) -> None:
    asked = {"client_id": "mlflow", "redirect_uri": f"{TRACKING}/oidc/callback", "response_type": "code"}
    pkce = {"scope": "openid", "code_challenge": CHALLENGE, "code_challenge_method": "S256"}
    tab.goto(f"{place.app.oidc}/auth?{httpx.QueryParams(asked | pkce)}")
    tab.locator("#username").fill(name)
    tab.locator("#password").evaluate("(field, value) => field.value = value", place.passwords[name])
    tab.locator("#kc-login").click()


def _arrives_by(tab: Tab, button: str) -> None:
    """Nobody answers there, which the browser has shown before it is sent anywhere else."""
    tab.locator(button).wait_for()
    tab.wait_for_load_state("load")  # or nobody would hear the click
    with tab.expect_request(_ARRIVED):
        tab.locator(button).click()
    expect(tab).to_have_url(re.compile("^chrome-error:"))


def test_a_code_of_an_app_is_no_passkey(place: Place):
    """Frida has one; she is asked for a passkey."""
    frida = place.plugin.client.get(place.app.realm, "users", username="frida", exact="true")[0]
    place.changed(groups=TEAMS | {"more-careful": dataclasses.replace(TEAMS["more-careful"], second_factor="code")})
    phone, browser = Phone(), Browser(place.app)
    assert isinstance(phone.set_up(browser, place.enter("frida", browser)), Tokens)
    place.changed()
    browser = Browser(place.app)
    asked = place.enter("frida", browser)
    assert isinstance(asked, Page) and "otp" not in asked.fields
    assert "webauthn" in asked.html.lower()
    kinds = [it["type"] for it in place.plugin.client.get(place.app.realm, "users", frida["id"], "credentials")]
    assert sorted(kinds) == ["otp", "password"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["code", "passkey"])
def test_everybody_may_have_to_and_then_nobody(place: Place, kind: str):
    place.changed(groups=GROUPS, second_factor=kind)
    asked = place.enter("ada", Browser(place.app))
    assert isinstance(asked, Page)
    assert ("totpSecret" in asked.fields) == (kind == "code")
    with pytest.raises(NoTokens):
        place.app.password("ada", place.passwords["ada"])

    place.changed(groups=GROUPS)
    assert isinstance(place.enter("ada", Browser(place.app)), Tokens)
    flows = place.plugin.client.get(place.app.realm, "authentication", "flows")
    assert not [flow["alias"] for flow in flows if flow["alias"].startswith("second factor")]
    place.changed()
