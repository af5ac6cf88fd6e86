"""What the server is told: `server.json`, and the secrets that are kept apart from it."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

SECRETS = Path("/run/secrets/mlflow.env")
CONFIG_VARIABLE = "MLFLOW_PLATFORM_CONFIG"
AUTH_DATABASE_VARIABLE = "MLFLOW_PLATFORM_AUTH_DATABASE_URI"
WEB_CLIENT_SECRET_VARIABLE = "MLFLOW_PLATFORM_WEB_CLIENT_SECRET"  # noqa: S105
SESSION_KEY_VARIABLE = "MLFLOW_PLATFORM_SESSION_KEY"
KEYCLOAK_EVENTS_VARIABLE = "MLFLOW_PLATFORM_KEYCLOAK_EVENTS_URI"
STORAGE_EVENTS_VARIABLE = "MLFLOW_PLATFORM_STORAGE_EVENTS_TOKEN"


DEFAULT_WORKSPACE = "default"
"""MLflow's own."""


class SettingsError(Exception):
    """The server was told something that it cannot use; the message says what and where."""


class Level(StrEnum):
    """What a team may do in MLflow, weakest first."""

    READ = "READ"
    USE = "USE"
    EDIT = "EDIT"
    MANAGE = "MANAGE"
    ADMIN = "ADMIN"


def strongest(levels: Iterable[Level]) -> Level | None:
    """The one that counts for who is in several teams; None without any."""
    return max(levels, key=list(Level).index, default=None)


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "must be an http or https URL without query or fragment, for example https://mlflow.example.com"
        )
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]
Name = Annotated[str, Field(min_length=1)]


class Team(BaseModel):
    """What a group of the realm may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    levels: dict[Name, Level]  # by workspace
    reads: tuple[str, ...] = ()  # what begins the keys of the bucket that it reads; "" does for all


class Settings(BaseModel):
    """`server.json`: where everything is and which group may do what. It holds no secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public_url: HttpUrl
    issuer: HttpUrl
    backchannel_url: HttpUrl  # the realm as this container reaches it
    audience: Name = "mlflow"
    client_id: Name  # of the people's own machines
    web_client_id: Name  # of this server, to log browsers in
    session_idle_seconds: int = Field(ge=1)
    session_max_seconds: int = Field(ge=1)
    sts_endpoint: HttpUrl
    s3_endpoint: HttpUrl
    s3_region: Name
    bucket: Name
    storage_credentials_seconds: int | None = Field(default=None, ge=900, le=43200)  # None: as long as the token
    deleted_days: int = Field(default=30, ge=1)  # then what was deleted leaves for good
    events_days: int = Field(default=90, ge=1)  # that the audit trail is kept for its page
    workspaces: tuple[Name, ...] = ()  # in the order in which one is taken; none: MLflow has but its own
    teams: dict[Name, Team]
    password_grant: bool = False
    log_level: Literal["debug", "info", "warning"] = "info"
    workers: int = Field(default=2, ge=1, le=64)
    forwarded_allow_ips: Name = "127.0.0.1"

    @property
    def environment(self) -> dict[str, str]:
        """Of every process that opens MLflow's stores: by this variable they know workspaces."""
        return {"MLFLOW_ENABLE_WORKSPACES": str(bool(self.workspaces)).lower()}

    @property
    def all_workspaces(self) -> tuple[str, ...]:
        """In the order in which one is taken where nobody says which."""
        return self.workspaces or (DEFAULT_WORKSPACE,)

    def levels(self, teams: Iterable[str]) -> dict[str, Level]:
        """What somebody in these teams may do: the highest level in each workspace, in the order of the workspaces."""
        theirs = [self.teams[team].levels for team in teams]
        return {
            workspace: level
            for workspace in self.all_workspaces
            if (level := strongest(levels[workspace] for levels in theirs if workspace in levels))
        }

    def reads(self, teams: Iterable[str]) -> frozenset[str]:
        return frozenset(begin for team in teams for begin in self.teams[team].reads)


def load_settings() -> Settings:
    """The settings in the file that MLFLOW_PLATFORM_CONFIG names."""
    path = os.environ.get(CONFIG_VARIABLE)
    if not path:
        raise SettingsError(f"{CONFIG_VARIABLE} is not set; it must name the server.json to read")
    try:
        return Settings.model_validate_json(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"{path} is not usable: {problems}") from None


def load_secrets(path: Path) -> None:
    """Puts the file's NAME=value lines into this process's environment, where MLflow and boto3 look for them."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.isidentifier():
            raise SettingsError(f"{path} line {number} is not NAME=value")  # never the line itself: it may be a secret
        os.environ[name] = value


def secret(name: str) -> str:
    """A secret that load_secrets() put into the environment."""
    value = os.environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set; it belongs into the file of secrets")
    return value
