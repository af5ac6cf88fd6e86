"""The directory that people are in: LDAP or Active Directory."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from components.settings.sites import is_private
from components.settings.values import File, Slug, Strict, Text


def _filter(value: str) -> str:
    ends, depth = [], 0
    for position, character in enumerate(value):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth <= 0:
            ends.append(position)
    if depth or ends != [len(value) - 1]:  # one pair around all
        raise ValueError(
            f"needs an LDAP filter in parentheses, such as (memberOf=cn=ml,dc=example,dc=org), but it is {value!r}"
        )
    return value


Url = Annotated[
    str, Field(pattern=r"^ldaps?://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$", json_schema_extra={"format": "ldap"})
]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.-]*=[^\x00-\x1f\x7f]+$", json_schema_extra={"format": "dn"})]
Filter = Annotated[Text, AfterValidator(_filter)]
Attribute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")]


class Attributes(Strict):
    """What entries of the directory are called; by default as its kind has them."""

    login: Attribute | None = None
    """The name by which people log in: `uid`, or `sAMAccountName`."""
    unique: Attribute | None = None
    """What stays when a person is renamed: `entryUUID`, or `objectGUID`."""
    member: Attribute = "member"
    """Whom a group has, by their names in the directory."""
    person_class: Attribute | None = None
    """The class of people's entries: `inetOrgPerson`, or `user`."""
    group_class: Attribute | None = None
    """The class of groups' entries: `groupOfNames`, or `group`."""


class Directory(Strict):
    """People log in with the names and passwords that they have in a directory, which is read and never written.

    Nobody has a right by being in it: that takes a group which stands under `groups`, or an administrator.
    """

    kind: Literal["ldap", "active_directory"] = "ldap"
    """LDAP as OpenLDAP and 389 have it, or Active Directory, where groups in groups count, too."""
    urls: Annotated[tuple[Url, ...], Field(min_length=1)]
    """Its servers, each asked when those before do not answer; `ldap://` without `starttls` is for a server of this
    machine or a private network."""
    starttls: bool = False
    """Whether a connection to `ldap://` begins TLS before all else, or ends."""
    bind: Name
    """Who reads it for Keycloak, by his name there."""
    password_file: File
    """A file with his password; a path from the project's folder."""
    people: Name
    """The entry below which people are."""
    people_filter: Filter | None = None
    """Which of them may log in; by default all."""
    groups_below: Name | None = None
    """The entry below which groups are. Whoever may make groups there gives rights."""
    groups: dict[Text, Slug] = {}
    """Groups by name (`cn`), written as they are there, and the team whose rights each gives."""
    attributes: Attributes = Attributes()
    trust_email: bool = False
    """Whether its addresses are known to be the people's own; else each is asked to confirm it, where there is
    `smtp`."""
    remembered: int = Field(default=300, ge=10, le=86400)
    """So many seconds what the directory said of a person counts, and no longer: for who leaves it or a group, and
    while it does not answer."""

    @model_validator(mode="after")
    def _is_not_read_on_the_way(self) -> Self:
        schemes = {urlsplit(url).scheme for url in self.urls}
        if self.starttls and schemes != {"ldap"}:
            raise ValueError("starttls is for ldap:// alone, and ldaps:// has TLS already; remove one of the two")
        for url in self.urls if not self.starttls else ():
            host = urlsplit(url).hostname or ""
            if urlsplit(url).scheme == "ldap" and not is_private(host):
                raise ValueError(
                    f"urls has {url}, which may be reached from anywhere, and everybody on the way would read people's "
                    "passwords; write ldaps://, or set starttls"
                )
        return self

    @model_validator(mode="after")
    def _groups_are_somewhere(self) -> Self:
        if self.groups and self.groups_below is None:
            raise ValueError("groups needs groups_below, the entry of the directory below which they are")
        return self
