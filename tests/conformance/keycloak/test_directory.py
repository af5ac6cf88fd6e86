"""People of a directory: who gets in, with which rights, for how long, and what happens when it is down."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.settings import Directory
from offline.providers.base import ProviderError
from tests.authority import Pair, leaf

from ..harness import Plugin
from ..stacks import Stack
from .conftest import Server
from .ldap_server import GROUPS, PEOPLE, READER, READER_PASSWORD, LdapServer, ldap_server, stripped
from .logins import App, Browser, NoTokens, Page, Tokens
from .post import link, post_office
from .realms import realm

REMEMBERED = 8  # seconds; a stack file says at least ten
KOELN = "ML / Entwicklung Köln (alle)*"

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Place:
    """A realm with a directory."""

    ldap: LdapServer
    stack: Stack
    app: App
    plugin: Plugin
    ada: str


@pytest.fixture(scope="module")
def ldap(authority: Pair) -> Iterator[LdapServer]:
    with ldap_server(authority) as server:
        yield server


@pytest.fixture(scope="module")
def place(
    ldap: LdapServer,
    plugin: Plugin,
    prefix: str,
    config: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("directory")
    with realm(folder, config, f"{prefix}-directory", directory=settings(folder, ldap)) as (
        stack,
        app,
        passwords,
    ):
        yield Place(ldap, stack, app, plugin, passwords["ada"])


def settings(folder: Path, ldap: LdapServer) -> Directory:
    (folder / "password").write_text(READER_PASSWORD)
    return Directory(
        urls=(f"ldaps://{ldap.address}",),
        bind=READER,
        password_file=str(folder / "password"),
        people=PEOPLE,
        people_filter="(!(employeeType=machine))",
        groups_below=GROUPS,
        groups={KOELN: "model-developers"},
    ).model_copy(update={"remembered": REMEMBERED})


def test_the_stack_stays_still_and_its_state_shows_no_password(place: Place):
    for act in (place.stack.up, place.stack.refresh, place.stack.preview):
        assert act().keys() == {"same"}
    assert READER_PASSWORD not in place.stack.state_file()


def test_a_group_of_the_directory_gives_the_rights_of_its_team(place: Place):
    lena = place.app.password("lena", "lena-secret")
    assert (lena.teams, lena.policies) == (["model-developers"], ["team-model-developers"])
    assert lena.claims["name"] == "Lena Öztürk"
    assert lena.claims["email_verified"] is False  # nobody said that the directory's addresses are


def test_nobody_has_rights_by_a_group_that_the_stack_file_does_not_name(place: Place):
    """Be it called like a team, or begin as one that counts does."""
    max = place.app.password("max", "max-secret")
    assert (max.teams, max.policies) == ([], [])
    (above,) = place.plugin.client.get(place.app.realm, "groups", search="Groups of directory")
    below = place.plugin.client.get(place.app.realm, "groups", above["id"], "children")
    assert [group["name"] for group in below] == [KOELN]


def test_whoever_joins_a_group_has_the_rights_and_whoever_leaves_loses_them(place: Place):
    lena, max = (place.app.password(name, f"{name}-secret") for name in ("lena", "max"))
    place.ldap.members(KOELN, "max")
    try:
        time.sleep(REMEMBERED + 1)
        assert place.app.password("max", "max-secret").teams == ["model-developers"]
        assert place.app.renewed(max).teams == ["model-developers"]
        left = place.app.renewed(lena)
        assert (left.teams, left.policies) == ([], [])
        assert place.app.password("lena", "lena-secret").teams == []
    finally:
        place.ldap.members(KOELN, "lena")
        time.sleep(REMEMBERED + 1)


def test_people_without_an_address_or_names_get_in_and_those_who_share_one_too(place: Place):
    for name in ("nameless", "lena", "max"):
        arrived = Browser(place.app)
        page = arrived.start()
        assert not isinstance(arrived.send(page, username=name, password=f"{name}-secret"), Page)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("robot", "robot-secret"),  # not by the filter
        ("nameless", "max-secret"),
        ("nameless", ""),  # to which a directory says yes, as to anybody (RFC 4513, 5.1.2)
        ("*", "lena-secret"),
        ("lena)(uid=*", "lena-secret"),
        ("office@example.org", "lena-secret"),  # whose it is, is not known
        ("root", "root-secret"),
        ("reader", READER_PASSWORD),
    ],
)
def test_nobody_else_gets_in(place: Place, name: str, password: str):
    with pytest.raises(NoTokens, match="40[01]"):
        place.app.password(name, password)


def test_whoever_leaves_the_directory_has_no_session_any_more(place: Place):
    leaver = f"uid=leaver,{PEOPLE}"
    place.ldap.change(
        leaver, "changetype: add", "objectClass: inetOrgPerson", "cn: l", "sn: l", "userPassword: leaver-secret"
    )
    session = place.app.password("leaver", "leaver-secret")
    place.ldap.change(leaver, "changetype: delete")
    time.sleep(REMEMBERED + 1)
    with pytest.raises(NoTokens):
        place.app.renewed(session)
    with pytest.raises(NoTokens):
        place.app.password("leaver", "leaver-secret")


def test_while_the_directory_is_down_sessions_go_on_and_local_administrators_get_in(place: Place):
    place.app.password("max", "max-secret")
    time.sleep(REMEMBERED + 1)
    lena = place.app.password("lena", "lena-secret")
    place.ldap.container.stop(timeout=1)
    try:
        assert place.app.renewed(lena).teams == ["model-developers"]
        assert place.app.password("ada", place.ada).teams == ["model-admins"]
        browser = Browser(place.app)
        page = browser.send(browser.start(), username="max", password="max-secret")
        assert isinstance(page, Page)
        assert "the directory that your account is in does not answer" in page.text
        time.sleep(REMEMBERED + 1)
        with pytest.raises(NoTokens):
            place.app.renewed(lena)
    finally:
        place.ldap.start()
    assert place.app.renewed(lena).teams == ["model-developers"]  # it was no end of the session


def test_somebody_confirms_an_address_that_the_directory_only_says_once(place: Place, server: Server):
    """And though another has the same one."""
    with post_office(server.machine) as post:
        mail = {"host": server.machine, "port": str(post.port), "from": "ml@example.org"}
        place.plugin.client.put(place.app.realm, body={"verifyEmail": True, "smtpServer": mail})
        try:
            browser = Browser(place.app)
            page = browser.send(browser.start(), username="max", password="max-secret")
            assert isinstance(page, Page) and "verify your email" in page.text
            confirmed = browser.open(link(post.messages[0]))
            assert isinstance(confirmed, Tokens) and confirmed.claims["email_verified"] is True
            time.sleep(REMEMBERED + 1)
            again = Browser(place.app)
            assert isinstance(again.send(again.start(), username="max", password="max-secret"), Tokens)
            other = Browser(place.app)
            assert isinstance(other.send(other.start(), username="lena", password="lena-secret"), Page)
        finally:
            place.plugin.client.put(place.app.realm, body={"verifyEmail": False, "smtpServer": {}})


@pytest.mark.parametrize("starttls", [False, True])
def test_the_directory_is_believed_by_its_certificate(place: Place, starttls: bool):
    refused = _tried(place, f"{'ldap' if starttls else 'ldaps'}://{place.ldap.address}", starttls)
    assert refused is None


@pytest.mark.parametrize("host", ["itself", "another"])
def test_a_password_never_goes_to_a_server_that_is_another(place: Place, server: Server, authority: Pair, host: str):
    """By an authority that nobody knows, or for another name."""
    certificate = leaf(None, [server.machine]) if host == "itself" else leaf(authority, ["ldap.example.org"])
    with post_office(server.machine, certificate.context()) as stranger:
        assert _tried(place, f"ldaps://{server.machine}:{stranger.port}", starttls=False)
    assert stranger.said == []


def test_starttls_is_not_given_up_where_somebody_on_the_way_says_that_there_is_none(place: Place, server: Server):
    with stripped(server.machine) as directory:
        assert _tried(place, f"ldap://{server.machine}:{directory.port}", starttls=True)
    assert b"1.3.6.1.4.1.1466.20037" in directory.heard  # it was asked for (RFC 4511, 4.14)
    assert READER_PASSWORD.encode() not in directory.heard


def _tried(place: Place, url: str, starttls: bool) -> str | None:
    """What Keycloak says against a server, as the federation asks it."""
    (found,) = place.plugin.client.get(place.app.realm, "components", type="org.keycloak.storage.UserStorageProvider")
    as_set = {key: found["config"][key][0] for key in ("bindDn", "authType", "useTruststoreSpi", "connectionTimeout")}
    asked = {**as_set, "action": "testAuthentication", "connectionUrl": url, "startTls": str(starttls).lower()}
    asked["bindCredential"] = READER_PASSWORD
    try:
        place.plugin.client.add(place.app.realm, "testLDAPConnection", body=asked)
    except ProviderError as refused:
        return str(refused)
    return None
