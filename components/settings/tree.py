"""The tree: all that a stack's file may say."""

from typing import Literal, Self

from pydantic import Field, model_validator

from components.settings.lifetimes import Lifetimes
from components.settings.ports import Ports
from components.settings.teams import ServiceClient, Team
from components.settings.values import Address, Bucket, ClientName, HostName, Slug, Strict, Username

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
    dev_users: tuple[Username, ...] = ()
    """People who are made up, with generated passwords; for development only."""
    service_clients: dict[ClientName, ServiceClient] = {}
    """Programs that log in by themselves, by name; `./platform outputs --show-secrets` has their secrets."""
    host: HostName = "localhost"
    """The name by which browsers and clients find the platform."""
    listen: Address = "127.0.0.1"
    """The address of this machine on which the public ports open; `0.0.0.0` for all of them."""
    ports: Ports = Ports()
    keycloak_admin: Administration = "loopback"
    """Where Keycloak is administered: on loopback, at the port `admin_keycloak`, or where its logins are."""
    keep_data: bool = True
    """Whether volumes, databases, realm and bucket outlive the stack; rights follow the stack file in any case."""
    lifetimes: Lifetimes = Lifetimes()
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
    def _service_clients_fit(self) -> Self:
        for name, client in self.service_clients.items():
            if client.team not in self.teams:
                known = ", ".join(self.teams)
                raise ValueError(f"service_clients.{name}.team is {client.team}, which is not in teams ({known})")
        if taken := [user for user in self.dev_users if user.startswith(SERVICE_ACCOUNT)]:
            raise ValueError(f"dev_users has {taken[0]}; names that begin with {SERVICE_ACCOUNT} are service clients'")
        return self

    def url(self, port: int) -> str:
        """Where a user's browser or client finds what listens on this public port."""
        return f"http://{self.host}:{port}"

    @property
    def keycloak_admin_url(self) -> str:
        """Where an administrator's browser finds Keycloak, on this machine or at the end of an SSH tunnel to it."""
        if self.keycloak_admin == "public":
            return self.url(self.ports.keycloak)
        return f"http://localhost:{self.ports.admin_keycloak}"
