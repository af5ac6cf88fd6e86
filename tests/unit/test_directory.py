"""How a directory's people become people with rights, and who does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.named_files import NamedFileError

from .graph import DEV, PROJECT, Graph, Resource, declare

FEDERATION, GROUPS = "ldap/userFederation:UserFederation", "ldap/groupMapper:GroupMapper"
TEAMS = {f"team-{number}": {"mlflow": "READ", "storage": {"access": "read"}} for number in range(200)}


def with_directory(folder: Path, **settings: Any) -> Graph:
    (folder / "password").write_text("hush-hush\n")
    directory = {
        "urls": ["ldaps://one.example.org", "ldaps://two.example.org:1636"],
        "bind": "cn=reader,dc=example,dc=org",
        "password_file": str(folder / "password"),
        "people": "ou=people,dc=example,dc=org",
        "groups_below": "ou=groups,dc=example,dc=org",
        "groups": {"ML / Köln (alle)*": "model-developers", "platform-admins": "model-viewers"},
    }
    return declare({**DEV, f"{PROJECT}:directory": json.dumps(directory | settings)})


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return with_directory(tmp_path_factory.mktemp("directory"))


def federation(graph: Graph) -> Resource:
    (found,) = graph.of(FEDERATION)
    return found


def groups(graph: Graph) -> dict[str, dict[str, Any]]:
    return {group.inputs["name"]: group.inputs for group in graph.of("index/group:Group") if "parentId" in group.inputs}


def test_a_stack_without_a_directory_asks_none(dev: Graph):
    assert not [made for made in dev.resources if ":ldap/" in made.token]
    assert dev.the("realm:Realm", "keycloak-realm").inputs["duplicateEmailsAllowed"] is False


def test_it_is_read_and_never_written(graph: Graph):
    inputs = federation(graph).inputs
    assert (inputs["editMode"], inputs["syncRegistrations"]) == ("READ_ONLY", False)
    (mapper,) = graph.of(GROUPS)
    assert (mapper.inputs["mode"], mapper.inputs["dropNonExistingGroupsDuringSync"]) == ("READ_ONLY", False)


def test_the_password_is_a_secret_and_goes_to_keycloak_alone(graph: Graph):
    holders = [made for made in graph.resources if "hush-hush" in json.dumps(made.inputs)]
    assert holders == [federation(graph)]
    assert "bindCredential" in federation(graph).secret


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(NamedFileError, match=r"directory\.password_file: cannot read .*nowhere"):
        with_directory(tmp_path, password_file=str(tmp_path / "nowhere"))


def test_what_the_directory_says_is_asked_for_anew(graph: Graph):
    assert federation(graph).inputs["cache"] == {"policy": "MAX_LIFESPAN", "maxLifespan": "5m0s"}


def test_its_addresses_are_nobodys_until_a_stack_says_so(graph: Graph, tmp_path: Path):
    assert federation(graph).inputs["trustEmail"] is False
    assert federation(with_directory(tmp_path, trust_email=True)).inputs["trustEmail"] is True


def test_nobody_logs_in_by_an_address_which_two_may_have(graph: Graph):
    realm = graph.the("realm:Realm", "keycloak-realm").inputs
    assert (realm["duplicateEmailsAllowed"], realm["loginWithEmailAllowed"]) == (True, False)


def test_a_group_has_the_rights_of_the_team_that_it_stands_for_and_not_of_the_one_whose_name_it_has(graph: Graph):
    rights = {name: group["attributes"] for name, group in groups(graph).items()}
    assert rights == {
        "ML / Köln (alle)*": {"mlflow-team": "model-developers", "policy": "team-model-developers"},
        "platform-admins": {"mlflow-team": "model-viewers", "policy": "team-model-viewers"},
    }
    (above,) = {group["parentId"] for group in groups(graph).values()}
    source = graph.the("index/group:Group", above.removesuffix("-id"))
    assert source.inputs["name"] == "Groups of directory"  # no team's name has a space
    assert not source.inputs.get("attributes")


def test_only_groups_that_the_stack_made_are_looked_for(graph: Graph):
    (mapper,) = graph.of(GROUPS)
    assert mapper.inputs["groupsLdapFilter"] == r"(|(cn=ML / Köln \28alle\29\2a)(cn=platform-admins))"
    made = {group for group in graph.of("index/group:Group") if "parentId" in group.inputs}
    assert made <= graph.before(mapper)


def test_no_group_has_a_role_of_keycloaks(graph: Graph):
    of = {roles.inputs["groupId"] for roles in graph.of(":GroupRoles") if roles.inputs["roleIds"] == []}
    assert {f"{group.name}-id" for group in graph.of("index/group:Group")} <= of


def test_a_stack_without_groups_of_it_gives_nobody_rights(tmp_path: Path):
    graph = with_directory(tmp_path, groups={})
    assert not graph.of(GROUPS)
    assert not groups(graph)


def test_active_directory_counts_groups_in_groups_and_ends_sessions_of_disabled_accounts(graph: Graph, tmp_path: Path):
    active = with_directory(tmp_path, kind="active_directory")
    assert federation(active).inputs["usernameLdapAttribute"] == "sAMAccountName"
    (mapper,) = active.of(GROUPS)
    assert mapper.inputs["userRolesRetrieveStrategy"] == "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE_RECURSIVELY"
    assert len(active.of(":MsadUserAccountControlMapper")) == 1
    assert not graph.of(":MsadUserAccountControlMapper")


def test_two_hundred_teams_have_a_group_each_whatever_it_is_called(tmp_path: Path):
    named = {f"Abteilung {number} / Ärzte::#{number}": team for number, team in enumerate(TEAMS)}
    (tmp_path / "password").write_text("hush-hush\n")
    directory = {
        "urls": ["ldaps://one.example.org"],
        "bind": "cn=reader,dc=example,dc=org",
        "password_file": str(tmp_path / "password"),
        "people": "ou=people,dc=example,dc=org",
        "groups_below": "ou=groups,dc=example,dc=org",
        "groups": named,
    }
    settings = {"teams": TEAMS, "directory": directory, "dev_users": [], "service_clients": {}}
    graph = declare({**DEV, **{f"{PROJECT}:{key}": json.dumps(value) for key, value in settings.items()}})
    assert {name: group["attributes"]["mlflow-team"] for name, group in groups(graph).items()} == named
