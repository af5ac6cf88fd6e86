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
    """MinIO's shape: nodes times drives, and the artifact bucket on them."""

    nodes: Literal[1, 4, 8] = 1
    drives: int = Field(default=1, ge=1, le=4)
    bucket: Bucket = "mlflow"
    region: Slug = "us-east-1"


class Tracking(Strict):
    """MLflow's shape."""

    workers: int = Field(default=2, ge=1, le=64)
    log_level: LogLevel = "info"


class Settings(Strict):
    """A stack: every key has a default but `teams`, without which nobody could do anything."""

    prefix: Slug  # of container, volume and network names; by default mlflow-<stack>
    images: ImageSource  # by default what MLFLOW_PLATFORM_IMAGES says, else registry
    host: HostName = "localhost"
    listen: Address = "127.0.0.1"  # where the public ports are opened; 0.0.0.0 for all of the host's addresses
    ports: Ports = Ports()
    keycloak_admin: Administration = "loopback"  # the port where Keycloak is administered: admin_keycloak, or keycloak
    keep_data: bool = True  # volumes outlive the stack
    storage: Storage = Storage()
    tracking: Tracking = Tracking()
    teams: dict[Slug, Team] = Field(min_length=1)
    dev_users: tuple[Username, ...] = ()  # made with generated passwords; for development only
    service_clients: dict[ClientName, ServiceClient] = {}
    lifetimes: Lifetimes = Lifetimes()
    password_grant: bool = False  # MLflow takes user names and passwords too, for clients that can do no better

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
