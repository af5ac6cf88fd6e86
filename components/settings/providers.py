"""Other providers by which people log in, with OpenID Connect."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from components.settings.values import File, Slug, Strict, Text, WebAddress, told_by


@dataclass(frozen=True)
class Endpoints:
    """Where a provider is asked, and how it names itself."""

    issuer: str
    authorization: str
    token: str
    keys: str


class _Provider(Strict):
    name: Text | None = None
    """What the login page calls it; by default as the stack file does."""
    client_id: Text
    """As what the platform is known there. The redirect address to enter there is that of logins with
    `/realms/mlflow/broker/<name>/endpoint`."""
    secret_file: File
    """A file with the client's secret; a path from the project's folder."""
    groups_claim: Text = "groups"
    """The claim of its tokens that says who belongs where; with dots, a claim within a claim."""
    groups: dict[Text, Slug] = {}
    """Values of that claim, and the team whose rights each gives, as of a person's last login."""
    trust_email: bool = False
    """Whether it proves that an address is the person's own; else each is asked to confirm it, where there is
    `smtp`."""
    second_factor: Literal["ours", "theirs"] = "ours"
    """Where people who need one prove their second factor: `theirs` where the provider asks each of them for one."""
    scopes: Text = "openid profile email"
    """What it is asked for."""


class OpenIdConnect(_Provider):
    """Any provider, by the addresses in its discovery document (`/.well-known/openid-configuration`)."""

    kind: Literal["oidc"]
    """A provider that speaks OpenID Connect."""
    issuer: WebAddress
    """`issuer`: how it names itself."""
    authorization: WebAddress
    """`authorization_endpoint`."""
    token: WebAddress
    """`token_endpoint`."""
    keys: WebAddress
    """`jwks_uri`: the keys by which its tokens are believed."""

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(self.issuer, self.authorization, self.token, self.keys)


class Keycloak(_Provider):
    """A realm of another Keycloak."""

    kind: Literal["keycloak"]
    """Another Keycloak."""
    realm: WebAddress
    """Its realm's address, as `https://login.example.org/realms/people`."""

    @property
    def endpoints(self) -> Endpoints:
        realm = self.realm.rstrip("/")
        oidc = f"{realm}/protocol/openid-connect"
        return Endpoints(realm, f"{oidc}/auth", f"{oidc}/token", f"{oidc}/certs")


class Entra(_Provider):
    """Microsoft's Entra ID, for the people of one tenant. It says groups by their ids, unless it is told else."""

    kind: Literal["entra"]
    """Entra ID."""
    tenant: Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
    """The tenant's id: `common` would be everybody's."""

    @property
    def endpoints(self) -> Endpoints:
        of_tenant = f"{_MICROSOFT}/{self.tenant}"
        return Endpoints(
            f"{of_tenant}/v2.0",
            f"{of_tenant}/oauth2/v2.0/authorize",
            f"{of_tenant}/oauth2/v2.0/token",
            f"{of_tenant}/discovery/v2.0/keys",
        )


class Google(_Provider):
    """Google, which says no groups: `groups_claim: hd` is the domain of a company's accounts, and others have none."""

    kind: Literal["google"]
    """Google."""

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(
            "https://accounts.google.com",
            "https://accounts.google.com/o/oauth2/v2/auth",
            "https://oauth2.googleapis.com/token",
            "https://www.googleapis.com/oauth2/v3/certs",
        )


_MICROSOFT = "https://login.microsoftonline.com"

Provider = Annotated[
    Annotated[OpenIdConnect, Tag("oidc")]
    | Annotated[Keycloak, Tag("keycloak")]
    | Annotated[Entra, Tag("entra")]
    | Annotated[Google, Tag("google")],
    Discriminator(told_by("kind")),
]
