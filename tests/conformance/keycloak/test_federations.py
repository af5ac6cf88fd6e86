"""What a realm knows of a directory: the federation, its mappers, and the pages' words."""

from collections.abc import Callable
from typing import Any

import pytest

from ..harness import Case, Plugin, Resource, live
from .world import (
    ACCOUNT_CONTROL_MAPPER,
    DIRECTORY_ATTRIBUTE_MAPPER,
    DIRECTORY_GROUP_MAPPER,
    FEDERATION,
    LOCALIZATION,
    World,
)

DIRECTORY = {
    "name": "directory",
    "connectionUrl": "ldaps://ldap.example.org",
    "usersDn": "ou=people,dc=example,dc=org",
    "usernameLdapAttribute": "uid",
    "rdnLdapAttribute": "uid",
    "uuidLdapAttribute": "entryUUID",
    "userObjectClasses": ["inetOrgPerson", "organizationalPerson"],
    "bindDn": "cn=reader,dc=example,dc=org",
    "bindCredential": "ldap-secret",
}


def _federation(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, **DIRECTORY}
    return Case(
        FEDERATION,
        {**inputs, "deleteDefaultMappers": True, "connectionTimeout": "5s", "debug": "false"},
        update={
            **inputs,
            "deleteDefaultMappers": True,
            "importEnabled": False,
            "searchScope": "SUBTREE",
            "customUserSearchFilter": "(!(employeeType=machine))",
            "trustEmail": True,
            "readTimeout": "10s",
            "bindCredential": "another-secret",
            "cache": {"policy": "MAX_LIFESPAN", "maxLifespan": "5m0s"},
        },
        replace={**inputs, "deleteDefaultMappers": False},
        drift=lambda made: _edit(plugin, world, made, {"editMode": "WRITABLE", "cachePolicy": "DEFAULT"}),
        drifted={"editMode", "cache"},
        vanish=lambda made: plugin.client.delete(world.realm, "components", made.id),
        import_id=lambda made: f"{world.realm}/{made.id}",
        unimportable={"bindCredential", "deleteDefaultMappers"},
    )


def _attribute(plugin: Plugin, world: World) -> Case:
    inputs = _of_a_federation(plugin, world) | {"name": "mail", "ldapAttribute": "mail", "userModelAttribute": "email"}
    return Case(
        DIRECTORY_ATTRIBUTE_MAPPER,
        {**inputs, "readOnly": True, "alwaysReadValueFromLdap": True},
        update={**inputs, "ldapAttribute": "otherMailbox", "isMandatoryInLdap": True},
        **_mapper_life(plugin, world, inputs, {"ldap.attribute": "title"}, "ldapAttribute"),
    )


def _groups(plugin: Plugin, world: World) -> Case:
    inputs = _of_a_federation(plugin, world) | {
        "name": "groups",
        "ldapGroupsDn": "ou=groups,dc=example,dc=org",
        "groupNameLdapAttribute": "cn",
        "groupObjectClasses": ["groupOfNames"],
        "membershipLdapAttribute": "member",
        "membershipUserLdapAttribute": "uid",
        "preserveGroupInheritance": False,
        "groupsPath": "/",
    }
    return Case(
        DIRECTORY_GROUP_MAPPER,
        inputs,
        update={**inputs, "groupsLdapFilter": "(|(cn=Köln \\28alle\\29))", "mode": "LDAP_ONLY"},
        **_mapper_life(plugin, world, inputs, {"mode": ["LDAP_ONLY"], "groups.ldap.filter": ""}, "groupsLdapFilter"),
    )


def _account_control(plugin: Plugin, world: World) -> Case:
    inputs = _of_a_federation(plugin, world) | {"name": "account"}
    return Case(
        ACCOUNT_CONTROL_MAPPER,
        {**inputs, "ldapPasswordPolicyHintsEnabled": False},
        update={**inputs, "ldapPasswordPolicyHintsEnabled": True},
        **_mapper_life(
            *(plugin, world, inputs), {"ldap.password.policy.hints.enabled": "false"}, "ldapPasswordPolicyHintsEnabled"
        ),
    )


def _words(plugin: Plugin, world: World) -> Case:
    inputs = {"realmId": world.realm, "locale": "en"}
    at = (world.realm, "localization", "en")
    return Case(
        LOCALIZATION,
        {**inputs, "texts": {"one": "1", "two": "2"}},
        update={**inputs, "texts": {"one": "another", "three": "3"}},
        replace={**inputs, "locale": "de", "texts": {}},
        drift=lambda made: plugin.client.add(*at, body={"one": "edited"}),
        drifted={"texts"},
        vanish=lambda made: plugin.client.delete(*at),
    )


def _of_a_federation(plugin: Plugin, world: World) -> dict[str, Any]:
    """Of one that all cases share."""
    found = plugin.client.get(world.realm, "components", name="shared")
    inputs = {"realmId": world.realm, **DIRECTORY, "name": "shared"}
    id = found[0]["id"] if found else plugin.create(FEDERATION, inputs).id
    return {"realmId": world.realm, "ldapUserFederationId": id}


def _mapper_life(
    plugin: Plugin, world: World, inputs: dict[str, Any], edited: dict[str, Any], drifted: str
) -> dict[str, Any]:
    return {
        "replace": {**inputs, "ldapUserFederationId": "other"},
        "drift": lambda made: _edit(plugin, world, made, edited),
        "drifted": {drifted},
        "vanish": lambda made: plugin.client.delete(world.realm, "components", made.id),
        "import_id": lambda made: f"{world.realm}/{made.id}",
    }


def _edit(plugin: Plugin, world: World, made: Resource, config: dict[str, Any]) -> None:
    live = plugin.client.get(world.realm, "components", made.id)
    edited = {key: value if isinstance(value, list) else [value] for key, value in config.items()}
    plugin.client.put(world.realm, "components", made.id, body={**live, "config": {**live["config"], **edited}})


LIVES = [_federation, _attribute, _groups, _account_control, _words]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Plugin, World], Case], plugin: Plugin, world: World):
    live(plugin, case(plugin, world))


def test_a_federation_has_keycloaks_own_mappers_or_none(plugin: Plugin, world: World):
    for without in (False, True):
        made = plugin.create(FEDERATION, {"realmId": world.realm, **DIRECTORY, "deleteDefaultMappers": without})
        mappers = plugin.client.get(world.realm, "components", parent=made.id)
        assert bool(mappers) is not without
        assert "bindCredential" in made.secrets
        plugin.delete(made)
