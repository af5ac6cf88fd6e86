"""Keycloak: the server, and on it the realm."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_docker as docker
import pulumi_keycloak as keycloak
from pulumi import Input, Output, ResourceOptions

from components import named_files
from components.database import Connection
from components.network import Network, ServiceArgs
from components.passwords import password
from components.people import Group
from components.realm import Client, Realm, RealmArgs
from components.settings import Directory, Lifetimes, Passwords, Provider, SecondFactor, Smtp

_ADMIN = "admin"
_HTTP = 8080
_AUTHORITIES = "/opt/keycloak/conf/authorities.pem"

# The admin API is the last to answer: discovery answers before it, and a realm created too early wedges on a 409.
# In bash alone, since the upstream image has neither curl nor grep.
_ADMIN_API_ANSWERS = (
    "status() { exec 3<>/dev/tcp/127.0.0.1/$1 && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' $2 >&3 && read -r _ code _ <&3"
    ' && [ "$code" = $3 ]; }; status 9000 /health/ready 200 && status 8080 /admin/realms 401'
)


EVENTS = ("admin_event_entity", "event_entity")
"""Of its database: the tables of what administrators did, and of who logged in."""


@dataclass(frozen=True, kw_only=True)
class IdentityArgs:
    """What Identity needs. URLs are browsers', of Keycloak, MLflow and MinIO's console; dev users are names."""

    network: Network
    image: Input[str]
    database: Connection
    admin_port: int  # a host port on loopback
    public_url: str  # of Keycloak, for users
    admin_url: str  # of Keycloak, for its administrators
    tracking_url: str
    console_url: str
    backchannel_logout_url: str  # of MLflow, on the platform's network
    groups: Mapping[str, Group]
    dev_users: tuple[str, ...]
    lifetimes: Lifetimes
    events_days: int
    password_grant: bool
    directory: Directory | None
    identity_providers: Mapping[str, Provider]
    passwords: Passwords
    second_factor: SecondFactor | None  # of everybody
    smtp: Smtp | None
    trusted_authorities: tuple[str, ...]  # files
    memory_mb: int = 1280


class Identity(pulumi.ComponentResource):
    """One issuer for everything: whoever logs in does it here, and every token of the platform is signed here."""

    host: str
    """Host and port on the platform's network."""
    realm: str
    """The name of the realm."""
    issuer: str
    """The realm's public URL, as in every token's `iss`."""
    backchannel_url: str
    """The realm as services on the network reach it."""
    web: Client
    """The client by which MLflow's server logs browsers in."""
    console: Client
    """The client of MinIO's console."""
    server: docker.Container
    """Once it is there, so are its tables."""
    login_client_id: str
    """The public client with which people log in from their machines."""
    service_clients: dict[str, Client]
    """The clients with which programs log in, by name."""
    dev_users: dict[str, Output[str]]
    """Passwords by user name (secret)."""
    admin: dict[str, Input[str]]
    """Keycloak's administrator: user and password (secret)."""

    def __init__(self, name: str, args: IdentityArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Identity", name, None, opts)
        self.admin = {"user": _ADMIN, "password": password(f"{name}-admin", self)}
        self.server = self._server(name, args)
        self.host = f"{name}:{_HTTP}"
        realm = Realm(
            f"{name}-realm",
            RealmArgs(
                provider=self._administration(name, args, self.server),
                keep_data=args.network.keep_data,
                public_url=args.public_url,
                tracking_url=args.tracking_url,
                console_url=args.console_url,
                backchannel_logout_url=args.backchannel_logout_url,
                groups=args.groups,
                dev_users=args.dev_users,
                lifetimes=args.lifetimes,
                events_days=args.events_days,
                password_grant=args.password_grant,
                directory=args.directory,
                identity_providers=args.identity_providers,
                passwords=args.passwords,
                second_factor=args.second_factor,
                smtp=args.smtp,
            ),
            ResourceOptions(parent=self),
        )
        self.realm = realm.name
        self.issuer = f"{args.public_url}/realms/{realm.name}"
        self.backchannel_url = f"http://{self.host}/realms/{realm.name}"
        self.web, self.console = realm.web, realm.console
        self.service_clients = realm.service_clients
        self.login_client_id = realm.login_client_id
        self.dev_users = realm.passwords
        self.register_outputs({"issuer": self.issuer})

    def _server(self, name: str, args: IdentityArgs) -> docker.Container:
        return args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                command=["start"],
                files=self._files(args),
                ports=[docker.ContainerPortArgs(internal=_HTTP, external=args.admin_port, ip="127.0.0.1")],
                healthcheck=["CMD", "bash", "-c", _ADMIN_API_ANSWERS],
                memory_mb=args.memory_mb,
                memory_folders={"/tmp": 64, "/opt/keycloak/data": 32},
                disk_folders=["/opt/keycloak/lib/quarkus"],  # the upstream image builds itself there at its first start
                start_seconds=300,
            ),
            ResourceOptions(parent=self),
        )

    def _files(self, args: IdentityArgs) -> dict[str, Input[str]]:
        files: dict[str, Input[str]] = {"/opt/keycloak/conf/keycloak.conf": self._configuration(args)}
        if args.trusted_authorities:
            read = partial(named_files.authorities, "trusted_authorities")
            files[_AUTHORITIES] = "".join(map(read, args.trusted_authorities))
        return files

    def _configuration(self, args: IdentityArgs) -> Output[str]:
        """keycloak.conf; a file, so that neither `docker inspect` nor the process list shows its passwords."""
        options: dict[str, Input[str]] = {
            "db": "postgres",
            "db-url-host": args.database.host,
            "db-url-database": args.database.database,
            "db-username": args.database.user,
            "db-password": args.database.password,
            "bootstrap-admin-username": _ADMIN,
            "bootstrap-admin-password": self.admin["password"],
            # The address of Keycloak's own realm, by which administrators log in: the option for administrators alone
            # leaves that at the other one. The platform's realm has an address of its own, which is the public one;
            # services on the network may ask by another.
            "hostname": args.admin_url,
            "hostname-admin": args.admin_url,
            "hostname-backchannel-dynamic": "true",
            "http-enabled": "true",
            "proxy-headers": "xforwarded",
            "health-enabled": "true",
            "metrics-enabled": "true",
            "cache": "local",  # one node: else a restart waits for peers that are gone
        }
        if args.trusted_authorities:
            options["truststore-paths"] = _AUTHORITIES
        return Output.all(**options).apply(lambda given: "".join(f"{key}={given[key]}\n" for key in options))

    def _administration(self, name: str, args: IdentityArgs, server: docker.Container) -> keycloak.Provider:
        return keycloak.Provider(
            f"{name}-admin",
            url=f"http://127.0.0.1:{args.admin_port}",
            client_id="admin-cli",
            username=_ADMIN,
            password=self.admin["password"],
            initial_login=False,  # or a preview would contact a server that is not there yet
            client_timeout=60,  # a create that was given up on collides with itself when tried again
            opts=ResourceOptions(parent=self, depends_on=[server]),
        )
