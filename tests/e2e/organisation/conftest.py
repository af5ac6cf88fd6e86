"""An organisation: forty people in a directory, three at another Keycloak, and a stack with three rooms for them."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from playwright.sync_api import Browser

from tests.authority import Pair, authority, leaf
from tests.conformance.containers import archive
from tests.conformance.harness import Plugin
from tests.conformance.keycloak.conftest import wait_for_admin_api
from tests.conformance.keycloak.ldap_server import GROUPS, PEOPLE, READER, READER_PASSWORD, LdapServer, ldap_server
from tests.conformance.keycloak.world import CLIENT, GROUP, GROUP_MAPPER, REALM, USER, configured
from tests.e2e.browser import chromium, home_that_trusts
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.stack import free_ports
from tests.plugin.workspaces.building import strongest

ROOMS = ("vision", "nlp", "robotics")
TEAMS: dict[str, dict[str, str]] = {
    "vision": {"vision": "MANAGE"},
    "nlp": {"nlp": "EDIT"},
    "robotics": {"robotics": "EDIT"},
    "guests": {"vision": "READ", "nlp": "READ"},
    "careful": {"robotics": "READ"},  # with a second factor
}
IN_DIRECTORY = {"Vision": "vision", "NLP & Sprache": "nlp", "Robotik (alle)": "robotics", "Gäste / extern": "guests"}
CAREFUL = {"Sorgfältig": "careful"}
AT_THE_OTHER = {"vision": "vision", "/Robotik": "robotics"}  # values of its claim
TOKEN = 120  # seconds
REMEMBERED = 10


def _forty() -> dict[str, tuple[str, ...]]:
    """Names, and the groups of each: one of the four in turn, every seventh in two, every eleventh in none."""
    groups = [*IN_DIRECTORY]
    found: dict[str, tuple[str, ...]] = {}
    for number in range(39):
        own = groups[number % 4]
        second = (groups[(number + 1) % 4],) if number % 7 == 0 else ()
        found[f"person{number:02}"] = () if number % 11 == 10 else (own, *second)
    return {**found, "sorgfalt": tuple(CAREFUL)}


DIRECTORY = _forty()
OTHERS = {"fiona": ("vision",), "georg": ("/Robotik",), "hanna": ()}


def rights(person: str) -> dict[str, str]:
    """By room: the strongest level of the person's teams."""
    teams = [(IN_DIRECTORY | CAREFUL)[group] for group in DIRECTORY.get(person, ())]
    teams += [AT_THE_OTHER[value] for value in OTHERS.get(person, ())]
    return strongest(TEAMS[team] for team in teams)


def password(person: str) -> str:
    return f"{person}-has-this-one"


@dataclass
class Organisation:
    platform: Platform
    directory: LdapServer
    other: str  # the other Keycloak's realm
    authority: Path


@pytest.fixture(scope="session")
def machine() -> str:
    """The address at which containers of every network find this machine."""
    return docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Path]:
    """The organisation's own authority, and the file with its certificate."""
    own, file = authority(), tmp_path_factory.mktemp("authority") / "authority.pem"
    file.write_text(own.pem)
    return own, file


@pytest.fixture(scope="module")
def directory(trusted: tuple[Pair, Path], machine: str) -> Iterator[LdapServer]:
    with ldap_server(trusted[0], machine) as server:
        for person in DIRECTORY:
            names = [f"uid: {person}", f"cn: {person}", f"givenName: {person.capitalize()}", "sn: Müller"]
            secret = f"userPassword: {password(person)}"
            mail = "mail: office@example.org"
            server.add(f"uid={person},{PEOPLE}", "objectClass: inetOrgPerson", *names, mail, secret)
        for group in (*IN_DIRECTORY, *CAREFUL):
            members = [f"member: uid={who},{PEOPLE}" for who, groups in DIRECTORY.items() if group in groups]
            server.add(f"cn={group},{GROUPS}", "objectClass: groupOfNames", f"cn: {group}", *members)
        yield server


@pytest.fixture(scope="module")
def other(local_image: Callable[[str], str], trusted: tuple[Pair, Path], machine: str) -> Iterator[tuple[Plugin, str]]:
    """Another Keycloak, over https: its administration, and its address."""
    (port,) = free_ports(1)
    url, secret = f"https://{machine}:{port}", secrets.token_hex(12)
    own = leaf(trusted[0], [machine])
    anywhere: Any = ("127.0.0.1", None)
    options = ["--https-certificate-file=/srv/certificate.pem", "--https-certificate-key-file=/srv/key.pem"]
    container = docker.from_env().containers.create(
        local_image("keycloak"),
        ["start-dev", "--db=dev-mem", f"--hostname={url}", *options],
        environment={"KC_BOOTSTRAP_ADMIN_USERNAME": "admin", "KC_BOOTSTRAP_ADMIN_PASSWORD": secret},
        ports={"8443/tcp": (machine, port), "8080/tcp": anywhere},
        mem_limit="1g",
        labels={"mlflow-platform.test": "organisation"},
    )
    try:
        container.put_archive("/", archive({"/srv/certificate.pem": own.pem, "/srv/key.pem": own.key_pem}))
        container.start()
        container.reload()
        at = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
        admin = {"url": f"http://127.0.0.1:{at}", "clientId": "admin-cli", "username": "admin", "password": secret}
        wait_for_admin_api(admin)
        yield configured(**admin), url
    finally:
        container.remove(force=True, v=True)


@pytest.fixture(scope="module")
def organisation(
    has_pulumi: None,
    directory: LdapServer,
    other: tuple[Plugin, str],
    trusted: tuple[Pair, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Organisation]:
    folder = tmp_path_factory.mktemp("organisation")
    (folder / "reader").write_text(READER_PASSWORD)
    (folder / "client").write_text(secrets.token_hex(16))
    plugin, url = other
    with brought_up(
        folder / "stack",
        {
            "workspaces": [*ROOMS],
            "teams": {
                "platform-admins": {"mlflow": "ADMIN", "storage": "consoleAdmin", "members": ["ada"]},
                **{team: {"mlflow": levels} for team, levels in TEAMS.items()},
                "careful": {"mlflow": TEAMS["careful"], "second_factor": "code"},
            },
            "dev_users": ["ada"],
            "service_clients": None,
            "lifetimes": {"access_token": TOKEN, "storage_credentials": "token"},
            "trusted_authorities": [str(trusted[1])],
            "directory": {
                "kind": "ldap",
                "urls": [f"ldaps://{directory.published}"],
                "bind": READER,
                "password_file": str(folder / "reader"),
                "people": PEOPLE,
                "groups_below": GROUPS,
                "groups": IN_DIRECTORY | CAREFUL,
                "remembered": REMEMBERED,
            },
            "identity_providers": {
                "corp": {
                    "kind": "keycloak",
                    "name": "The other company",
                    "realm": f"{url}/realms/people",
                    "client_id": "platform",
                    "secret_file": str(folder / "client"),
                    "groups": AT_THE_OTHER,
                }
            },
        },
    ) as stack:
        outputs = stack.outputs()
        outputs["dev_users"] |= {person: password(person) for person in (*DIRECTORY, *OTHERS)}
        _people_elsewhere(plugin, outputs["keycloak_url"], (folder / "client").read_text())
        yield Organisation(Platform(stack, outputs), directory, f"{url}/realms/people", trusted[1])


def _people_elsewhere(plugin: Plugin, login: str, secret: str) -> None:
    realm = plugin.create(REALM, {"realm": "people"}).id
    client = plugin.create(
        CLIENT,
        {
            "realmId": realm,
            "clientId": "platform",
            "accessType": "CONFIDENTIAL",
            "clientSecret": secret,
            "standardFlowEnabled": True,
            "pkceCodeChallengeMethod": "S256",
            "validRedirectUris": [f"{login}/realms/mlflow/broker/corp/endpoint"],
        },
    ).id
    mapper = {"realmId": realm, "clientId": client, "name": "groups", "claimName": "groups"}
    plugin.create(GROUP_MAPPER, {**mapper, "fullPath": False})
    groups = {value: plugin.create(GROUP, {"realmId": realm, "name": value}).id for value in AT_THE_OTHER}
    for person, values in OTHERS.items():
        names = {"firstName": person.capitalize(), "lastName": "Elsewhere", "email": f"{person}@example.com"}
        own = {"value": password(person), "temporary": False}
        made = plugin.create(USER, {"realmId": realm, "username": person, **names, "initialPassword": own})
        for value in values:
            plugin.client.put(realm, "users", made.id, "groups", groups[value])


@pytest.fixture(scope="module")
def browser(trusted: tuple[Pair, Path], machine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(home_that_trusts(tmp_path_factory.mktemp("browser"), trusted[1]), also=[machine]) as running:
        yield running
