"""A directory, LDAP or Active Directory, whose people log in at the realm."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_keycloak as keycloak
import pulumi_keycloak.ldap as ldap
from pulumi import Output, ResourceOptions

from components import named_files
from components.durations import go_duration
from components.people import Group, People
from components.settings import Directory as Settings


@dataclass(frozen=True)
class _Kind:
    """What a kind of directory calls things."""

    vendor: str
    login: str
    unique: str
    name: str  # the first part of an entry's own
    person_class: str
    group_class: str
    membership: str  # how Keycloak asks for a person's groups


_KINDS = {
    "ldap": _Kind(
        "OTHER", "uid", "entryUUID", "uid", "inetOrgPerson", "groupOfNames", "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE"
    ),
    "active_directory": _Kind(
        *("AD", "sAMAccountName", "objectGUID", "cn", "user", "group"),
        "LOAD_GROUPS_BY_MEMBER_ATTRIBUTE_RECURSIVELY",
    ),
}
_NAMES = {"email": "mail", "firstName": "givenName", "lastName": "sn"}  # Keycloak takes all of `cn` for a first name

_DOWN = (
    "You cannot be logged in just now, since the directory that your account is in does not answer. "
    "Try again in some minutes; who is logged in can go on."
)


@dataclass(frozen=True, kw_only=True)
class DirectoryArgs:
    """What a Directory needs; `teams` say which rights its groups can have."""

    settings: Settings
    people: People
    teams: Mapping[str, Group]


class Directory(pulumi.ComponentResource):
    """Keycloak asks it who somebody is and in which groups, and whether a password is right; it writes nothing there.

    Of its groups only those come that the stack file names, each as a group that the stack has made, with the rights
    of a team. A group that Keycloak made by itself would have none.
    """

    def __init__(self, name: str, args: DirectoryArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Directory", name, None, opts)
        self._name, self._people = name, args.people
        self._opts = ResourceOptions.merge(args.people.opts, ResourceOptions(parent=self))
        kind, settings = _KINDS[args.settings.kind], args.settings
        federation = self._federation(kind, settings)
        self._names(kind, settings, federation.id)
        if settings.groups:
            self._groups(kind, settings, federation.id, args.teams)
        keycloak.RealmLocalization(
            name,
            realm_id=args.people.realm_id,
            locale="en",  # the one language of the pages
            texts={"unexpectedErrorHandlingRequestMessage": _DOWN},
            opts=self._opts,
        )
        self.register_outputs({})

    def _federation(self, kind: _Kind, settings: Settings) -> ldap.UserFederation:
        return ldap.UserFederation(
            self._name,
            realm_id=self._people.realm_id,
            name="directory",
            vendor=kind.vendor,
            connection_url=" ".join(settings.urls),
            start_tls=settings.starttls,
            use_truststore_spi="ALWAYS",
            connection_timeout="2s",  # MLflow waits four for a renewal
            read_timeout="10s",
            bind_dn=settings.bind,
            bind_credential=named_files.secret("directory.password_file", settings.password_file),
            users_dn=settings.people,
            custom_user_search_filter=settings.people_filter,
            search_scope="SUBTREE",
            user_object_classes=[settings.attributes.person_class or kind.person_class],
            username_ldap_attribute=settings.attributes.login or kind.login,
            rdn_ldap_attribute=kind.name,
            uuid_ldap_attribute=settings.attributes.unique or kind.unique,
            edit_mode="READ_ONLY",
            sync_registrations=False,
            import_enabled=True,  # else an outage ends every session at once
            trust_email=settings.trust_email,
            pagination=True,
            # Nobody is fetched before he logs in. And without an end Keycloak would never ask again about who has.
            full_sync_period=-1,
            changed_sync_period=-1,
            cache=ldap.UserFederationCacheArgs(policy="MAX_LIFESPAN", max_lifespan=go_duration(settings.remembered)),
            delete_default_mappers=True,
            opts=self._opts,
        )

    def _names(self, kind: _Kind, settings: Settings, federation: Output[str]) -> None:
        login = settings.attributes.login or kind.login
        for model, attribute in {"username": login, **_NAMES}.items():
            ldap.UserAttributeMapper(
                f"{self._name}-{model}",
                realm_id=self._people.realm_id,
                ldap_user_federation_id=federation,
                name=model,
                ldap_attribute=attribute,
                user_model_attribute=model,
                is_mandatory_in_ldap=model == "username",
                always_read_value_from_ldap=model != "username",
                read_only=True,
                opts=self._opts,
            )
        if settings.kind == "active_directory":
            ldap.MsadUserAccountControlMapper(  # an account that is disabled there has no session here
                f"{self._name}-account",
                realm_id=self._people.realm_id,
                ldap_user_federation_id=federation,
                name="account",
                ldap_password_policy_hints_enabled=False,
                opts=self._opts,
            )

    def _groups(self, kind: _Kind, settings: Settings, federation: Output[str], teams: Mapping[str, Group]) -> None:
        above, made = self._people.groups_of("directory", settings.groups, teams)
        ldap.GroupMapper(
            f"{self._name}-groups",
            realm_id=self._people.realm_id,
            ldap_user_federation_id=federation,
            name="groups",
            ldap_groups_dn=settings.groups_below or "",
            groups_ldap_filter=_any_of(settings.groups),
            group_name_ldap_attribute="cn",
            group_object_classes=[settings.attributes.group_class or kind.group_class],
            membership_ldap_attribute=settings.attributes.member,
            membership_attribute_type="DN",
            membership_user_ldap_attribute=settings.attributes.login or kind.login,
            memberof_ldap_attribute="memberOf",
            user_roles_retrieve_strategy=kind.membership,
            groups_path=above.path,
            preserve_group_inheritance=False,
            ignore_missing_groups=False,
            drop_non_existing_groups_during_sync=False,
            mode="READ_ONLY",
            # Were one of them missing, Keycloak would make it, without rights, and it could not be made any more.
            opts=ResourceOptions.merge(self._opts, ResourceOptions(depends_on=[*made.values()])),
        )


def _any_of(groups: Mapping[str, str]) -> str:
    return f"(|{''.join(f'(cn={_escaped(group)})' for group in groups)})"


def _escaped(text: str) -> str:
    """As RFC 4515 writes a value in a filter."""
    return "".join(f"\\{ord(character):02x}" if character in "\\*()\0" else character for character in text)
