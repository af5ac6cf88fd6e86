"""The tree: all that a stack's file may say."""

from typing import Literal, Self

from pydantic import Field, model_validator

from components.settings.accounts import Passwords, Smtp
from components.settings.backup import Backup, OwnVolume
from components.settings.directory import Directory
from components.settings.lifetimes import Lifetimes
from components.settings.ports import BY_SITE, SHARED, Ports
from components.settings.providers import Provider
from components.settings.retention import Retention
from components.settings.sites import NAMES, Domains, Name, Site, Sites, is_address, is_loopback, is_private
from components.settings.teams import DEFAULT_WORKSPACE, SecondFactor, ServiceClient, Team
from components.settings.tls import Acme, NoTls, Proxy, Tls
from components.settings.values import (
    Address,
    Bucket,
    ClientName,
    DomainName,
    File,
    HostName,
    Slug,
    Strict,
    Username,
    Workspace,
)

SERVICE_ACCOUNT = "service-account-"
"""What Keycloak puts before a client's name to name the client's own user."""

ImageSource = Literal["registry", "local"]
LogLevel = Literal["debug", "info", "warning"]
Administration = Literal["loopback", "public"]


class Storage(Strict):
    """MinIO's shape, and the artifact bucket on it."""

    nodes: Literal[1, 4, 8] = 1
    """Servers."""
    drives: int = Field(default=1, ge=1, le=4)
    """Volumes of each server."""
    bucket: Bucket = "mlflow"
    """Where artifacts are."""
    region: Slug = "us-east-1"
    """What S3 clients have to call it."""


class Tracking(Strict):
    """MLflow's shape."""

    workers: int = Field(default=2, ge=1, le=64)
    """Processes that answer."""
    log_level: LogLevel = "info"
    """From which on the server logs."""


class Settings(Strict):
    """A stack: every key has a default but `teams`, without which nobody could do anything."""

    teams: dict[Slug, Team] = Field(min_length=1)
    """Groups of Keycloak's, by name, and what being in one means."""
    workspaces: tuple[Workspace, ...] = ()
    """Rooms of MLflow's that do not see one another, beside `default`. Where somebody has several and says nothing, the
    first that stands here is meant, and `default` last, unless it stands here, too."""
    dev_users: tuple[Username, ...] = ()
    """People who are made up, with generated passwords; for development only."""
    service_clients: dict[ClientName, ServiceClient] = {}
    """Programs that log in by themselves, by name; `./platform outputs --show-secrets` has their secrets."""
    host: HostName = "localhost"
    """The name by which browsers and clients find a platform without domains, at a port for each site."""
    domain: DomainName | None = None
    """The domain below which the sites have names of their own: `mlflow.`, `login.`, `s3.` and `console.`"""
    domains: Domains = Domains()
    tls: Tls = NoTls(mode="none")
    """Who ends TLS, and with which certificate: one of the modes below, by its name where it needs nothing else."""
    listen: Address | None = None
    """The address of this machine on which the public ports open, `0.0.0.0` for all; by default that, and `127.0.0.1`
    where the sites' names lead to this machine alone (`localhost`)."""
    ports: Ports = Ports()
    keycloak_admin: Administration = "loopback"
    """Where Keycloak is administered: on loopback, at the port `admin_keycloak`, or where its logins are."""
    keep_data: bool = True
    """Whether volumes, databases, realm and bucket outlive Pulumi's `destroy`, and `up` begins anew without one that
    vanished on demand only; `./platform destroy` keeps them in any case."""
    backup: Backup = Backup()
    retention: Retention = Retention()
    lifetimes: Lifetimes = Lifetimes()
    directory: Directory | None = None
    """The LDAP or Active Directory that people are in."""
    identity_providers: dict[Slug, Provider] = {}
    """Other providers by which people log in, by name: of one of the kinds below."""
    passwords: Passwords = Passwords()
    second_factor: SecondFactor | None = None
    """What everybody needs besides a password, whatever the teams: as `teams.<name>.second_factor`."""
    smtp: Smtp | None = None
    """How Keycloak sends mail."""
    trusted_authorities: tuple[File, ...] = ()
    """Files with authorities (PEM) that Keycloak believes besides those that everybody knows, where the certificate
    of the mail server, the directory or a provider is by one of these; paths from the project's folder."""
    password_grant: bool = False
    """Whether MLflow takes user names and passwords, too, for clients that can do no better."""
    storage: Storage = Storage()
    tracking: Tracking = Tracking()
    prefix: Slug
    """Of the names of containers, volumes and the network; by default `mlflow-` and the stack's name."""
    images: ImageSource
    """Where images come from; by default what the variable `MLFLOW_PLATFORM_IMAGES` says, else `registry`."""

    @model_validator(mode="after")
    def _members_exist(self) -> Self:
        for group, team in self.teams.items():
            if unknown := sorted(set(team.members) - set(self.dev_users)):
                known = ", ".join(self.dev_users) or "empty"
                raise ValueError(f"teams.{group}.members names {unknown[0]}, who is not in dev_users ({known})")
        return self

    @model_validator(mode="after")
    def _teams_have_their_places(self) -> Self:
        if twice := next((name for name in self.workspaces if self.workspaces.count(name) > 1), None):
            raise ValueError(f"workspaces names {twice} twice")
        for name, team in self.teams.items():
            if fault := team.fault(self.workspaces and self.all_workspaces):
                raise ValueError(f"teams.{name}.{fault}")
        return self

    @model_validator(mode="after")
    def _service_clients_fit(self) -> Self:
        for name, client in self.service_clients.items():
            if client.team not in self.teams:
                known = ", ".join(self.teams)
                raise ValueError(f"service_clients.{name}.team is {client.team}, which is not in teams ({known})")
        if taken := [user for user in self.dev_users if user.startswith(SERVICE_ACCOUNT)]:
            raise ValueError(f"dev_users has {taken[0]}; names that begin with {SERVICE_ACCOUNT} are service clients'")
        return self

    @model_validator(mode="after")
    def _groups_of_elsewhere_lead_to_teams(self) -> Self:
        sources = {f"identity_providers.{name}": provider.groups for name, provider in self.identity_providers.items()}
        if self.directory:
            sources["directory"] = self.directory.groups
        for source, groups in sources.items():
            for group, team in groups.items():
                if team not in self.teams:
                    known = ", ".join(self.teams)
                    raise ValueError(f"{source}.groups.{group} is {team}, which is not in teams ({known})")
        return self

    @model_validator(mode="after")
    def _sites_have_names(self) -> Self:
        given = {name: getattr(self.domains, name) for name in NAMES if getattr(self.domains, name)}
        if self.domain is None and given and (missing := [name for name in NAMES if name not in given]):
            raise ValueError(
                f"domains lacks {', '.join(missing)}; name all four sites, or a domain that they are below"
            )
        if not self.with_domains:
            if isinstance(self.tls, (Acme, Proxy)):
                raise ValueError(f"tls is {self.tls.mode}, which needs domains of the sites' own; set domain")
            return self
        for key in {"host"} & self.model_fields_set:
            raise ValueError(f"{key} is for a stack without domains, and this one has some; remove one of the two")
        if unused := sorted(set(BY_SITE.values()) & self.ports.model_fields_set):
            raise ValueError(
                f"ports.{unused[0]} is for a stack without domains; this one has ports.http and ports.https"
            )
        hosts = [self._host(name) for name in NAMES]
        if twice := next((host for host in hosts if hosts.count(host) > 1), None):
            raise ValueError(f"two of the domains are {twice}; each site needs a name of its own")
        return self

    @model_validator(mode="after")
    def _is_reached(self) -> Self:
        open_on = {self.host, "0.0.0.0"}
        if self.listen and is_address(self.host) and not is_loopback(self.host) and self.listen not in open_on:
            raise ValueError(
                f"host is {self.host}, and listen {self.listen}, where nobody reaches it; leave listen out, or set it "
                f"to {self.host} or 0.0.0.0"
            )
        return self

    @model_validator(mode="after")
    def _ports_once(self) -> Self:
        if twice := self.ports.used_twice(BY_SITE.values() if self.with_domains else SHARED):
            raise ValueError(f"ports: {twice}")
        return self

    @model_validator(mode="after")
    def _passwords_are_not_sent_in_the_clear(self) -> Self:
        if isinstance(self.tls, NoTls) and (public := next((h for h in self.sites.hosts if not is_private(h)), None)):
            raise ValueError(
                f"tls is none, but {public} may be reached from anywhere, and over http everybody on the way reads "
                f"passwords and tokens; set tls to self_signed, files, acme or proxy, or use a name of this machine "
                "or of a private network (localhost, 10.0.0.5, mlflow.internal)"
            )
        return self

    @model_validator(mode="after")
    def _a_password_alone_is_not_enough(self) -> Self:
        if self.second_factor and self.password_grant:
            raise ValueError(
                f"password_grant lets programs in with a password alone, and second_factor asks everybody for a "
                f"{self.second_factor}, too; set one of the two, or a second_factor for some teams"
            )
        return self

    @model_validator(mode="after")
    def _backups_outlive_the_machine(self) -> Self:
        if self.keep_data and self.with_domains and isinstance(self.backup.to, OwnVolume):
            raise ValueError(
                "backup.to is a volume of this machine, and would be lost with it; name a place that is not this "
                "machine (kind folder, s3 or sftp), or none"
            )
        return self

    @property
    def all_workspaces(self) -> tuple[str, ...]:
        """In the order in which one is taken where nobody says which."""
        return self.workspaces if DEFAULT_WORKSPACE in self.workspaces else (*self.workspaces, DEFAULT_WORKSPACE)

    @property
    def with_domains(self) -> bool:
        """Whether each site has a name of its own."""
        return self.domain is not None or self.domains != Domains()

    @property
    def listen_on(self) -> str:
        """The address on which the public ports open."""
        return self.listen or ("127.0.0.1" if all(map(is_loopback, self.sites.hosts)) else "0.0.0.0")

    @property
    def sites(self) -> Sites:
        """Where browsers and clients find what is public. All public addresses come from here."""
        return Sites(**{name: self._site(name) for name in NAMES}, named=self.with_domains)

    def _site(self, name: Name) -> Site:
        scheme = "http" if isinstance(self.tls, NoTls) else "https"
        port = scheme if self.with_domains else BY_SITE[name]
        return Site(scheme, self._host(name), getattr(self.ports, port))

    def _host(self, name: Name) -> str:
        host = getattr(self.domains, name) or f"{name}.{self.domain}" if self.with_domains else self.host
        return host.lower()

    @property
    def keycloak_admin_url(self) -> str:
        """Where an administrator's browser finds Keycloak, on this machine or at the end of an SSH tunnel to it."""
        if self.keycloak_admin == "public":
            return self.sites.login.url
        return f"http://localhost:{self.ports.admin_keycloak}"
