"""The realm's groups, and who is in them."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi_keycloak as keycloak
from pulumi import Alias, Output, ResourceOptions

from components.settings import SERVICE_ACCOUNT, SecondFactor

# Attributes of the groups: from these the claims are made,
TEAM = "mlflow-team"
POLICY = "policy"
SECOND_FACTOR = "second-factor"  # and by this one the login page knows of whom it asks more.

# What a team had until `UserGroups` took over. Were that deleted, its members would be out once all else is made;
# so another resource of the same realm and group goes on with its state.
_LIST_OF_MEMBERS = Alias(type_="keycloak:index/groupMemberships:GroupMemberships")


@dataclass(frozen=True, kw_only=True)
class Group:
    """A team: the MinIO policy that its members' tokens carry, the dev users and service clients in it, and what its
    members need besides a password.
    """

    policy: str
    members: tuple[str, ...] = ()
    service_clients: tuple[str, ...] = ()
    second_factor: SecondFactor | None = None

    def attributes(self, team: str) -> dict[str, str]:
        """Of each group whose members have the rights of this team."""
        more = {SECOND_FACTOR: self.second_factor} if self.second_factor else {}
        return {TEAM: team, POLICY: self.policy, **more}

    @property
    def user_names(self) -> set[str]:
        """Of people and programs."""
        return {*self.members, *(SERVICE_ACCOUNT + client for client in self.service_clients)}


@dataclass(frozen=True, kw_only=True)
class People:
    """Makes groups and users in a realm.

    The stack file decides on those whom it names, and on nobody else: whoever was put into a group in Keycloak's
    console, or comes from a directory, stays in it. So there is one list for every person, of her groups, and none for
    a group: that would be the whole truth about it.
    """

    prefix: str  # of the resources' names
    realm_id: Output[str]
    opts: ResourceOptions

    def group(self, name: str, rights: Group) -> keycloak.Group:
        """A team."""
        return self._group(name, name, rights.attributes(name))

    def groups_of(
        self, source: str, teams: Mapping[str, str], rights: Mapping[str, Group]
    ) -> tuple[keycloak.Group, dict[str, keycloak.Group]]:
        """A group for each that a directory or provider has, with the rights of the team that it stands for.

        They are below one of the source's own, so that none of its names is a team's.
        """
        above = self._group(f"{source}.groups", f"Groups of {source}", {})
        groups = {
            name: self._group(f"{source}.{_unique(name)}", name, rights[team].attributes(team), above.id)
            for name, team in teams.items()
        }
        return above, groups

    def _group(
        self, unique: str, name: str, attributes: dict[str, str], parent: Output[str] | None = None
    ) -> keycloak.Group:
        """By it nobody has a role of Keycloak's: what a team may do stands in the stack file alone."""
        group = keycloak.Group(
            f"{self.prefix}-{unique}",
            realm_id=self.realm_id,
            name=name,
            parent_id=parent,
            attributes=attributes,
            opts=self.opts,
        )
        keycloak.GroupRoles(
            f"{self.prefix}-{unique}",
            realm_id=self.realm_id,
            group_id=group.id,
            role_ids=[],
            exhaustive=True,
            opts=ResourceOptions.merge(self.opts, ResourceOptions(aliases=[_LIST_OF_MEMBERS])),
        )
        return group

    def user(self, name: str, secret: Output[str]) -> keycloak.User:
        """Somebody made up, for development."""
        return keycloak.User(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            username=name,
            enabled=True,
            email=f"{name}@example.com",
            email_verified=True,
            first_name=name.capitalize(),  # without names Keycloak asks for them at the first login
            last_name="Developer",
            initial_password=keycloak.UserInitialPasswordArgs(value=secret, temporary=False),
            opts=self.opts,
        )

    def member(self, name: str, user_id: Output[str], groups: list[Output[str]]) -> None:
        """Puts a user into these groups, and takes her out of them when the program no longer says so."""
        keycloak.UserGroups(
            f"{self.prefix}-{name}",
            realm_id=self.realm_id,
            user_id=user_id,
            group_ids=groups,
            exhaustive=False,
            opts=self.opts,
        )


def _unique(name: str) -> str:
    """What a resource is called whose own name may hold anything; no team's has a dot."""
    words = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
