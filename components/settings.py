"""What a stack's YAML may say: one typed tree, read once. Nothing else reads configuration."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

SERVICE_ACCOUNT = "service-account-"
"""What Keycloak puts before a client's name to name the client's own user."""

_IMAGES_VARIABLE = "MLFLOW_PLATFORM_IMAGES"

# What the realm has already: the platform's clients and Keycloak's.
_CLIENTS = frozenset({"mlflow", "mlflow-client", "minio"}) | {
    "account",
    "account-console",
    "admin-cli",
    "broker",
    "realm-management",
    "security-admin-console",
}


def _address(value: str) -> str:
    try:
        return str(IPv4Address(value))
    except ValueError:
        raise ValueError(f"needs an IPv4 address of this machine, or 0.0.0.0, but it is {value!r}") from None


def _storage_seconds(value: Any) -> int | None:
    if value == "token":
        return None
    if type(value) is int and 900 <= value <= 43200:
        return value
    raise ValueError(f"needs 900 to 43200 seconds, or token, but it is {value!r}")


def _bucket(value: str) -> str:
    if value == "minio":
        raise ValueError("needs another name than 'minio', whose paths are MinIO's own")
    return value


def _new_client(value: str) -> str:
    if value in _CLIENTS:
        raise ValueError(f"needs a name that the realm has no client of yet, but {value!r} is one of its own")
    return value


ImageSource = Literal["registry", "local"]
LogLevel = Literal["debug", "info", "warning"]
Level = Literal["ADMIN", "MANAGE", "EDIT", "USE", "READ"]
CannedPolicy = Literal["consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"]

# Names end up in container names, group names and policy names.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
Username = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$"), AfterValidator(_bucket)]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.()-][A-Za-z0-9!_.()/-]*/$")]  # no wildcards, no policy variables
ClientName = Annotated[Slug, AfterValidator(_new_client)]
StorageSeconds = Annotated[int | None, PlainValidator(_storage_seconds)]  # 900 is the least that STS takes
Address = Annotated[str, AfterValidator(_address)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Strict(BaseModel):
    """A node of the tree: no unknown key, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(Strict):
    """Host ports: four public ones of the gateway, three on loopback through which Pulumi administers the servers."""

    mlflow: Port = 5000
    keycloak: Port = 8080
    s3: Port = 9000
    console: Port = 9001
    admin_postgres: Port = 15432
    admin_keycloak: Port = 18080
    admin_minio: Port = 19000

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        users: dict[int, list[str]] = {}
        for user, port in self.model_dump().items():
            users.setdefault(port, []).append(user)
        for port, names in users.items():
            if len(names) > 1:
                raise ValueError(f"{' and '.join(names)} are both {port}; each port may be used once")
        return self


class BucketAccess(Strict):
    """A generated MinIO policy: read, or read and write, under prefixes of the artifact bucket (none: all of it)."""

    access: Literal["read", "write"]
    prefixes: tuple[Prefix, ...] = ()


class Team(Strict):
    """A group and its rights: the only place where groups become rights."""

    mlflow: Level
    storage: CannedPolicy | BucketAccess
    members: tuple[Username, ...] = ()


class ServiceClient(Strict):
    """A program that logs in by itself, for example a CI job; it has its team's rights."""

    team: Slug


class Lifetimes(Strict):
    """How long what is handed out holds, in seconds."""

    access_token: int = Field(default=300, ge=10, le=3600)  # so long does a token outlive a logout or a lost right
    session_idle: int = Field(default=8 * 3600, ge=30, le=30 * 86400)
    session_max: int = Field(default=3 * 86400, ge=30, le=90 * 86400)
    storage_credentials: StorageSeconds = 3600  # None: as long as the token ("token" in the file)

    @property
    def longest_storage(self) -> int:
        """What MinIO grants at most, a session at its console included; STS gives no less than 15 minutes."""
        return self.storage_credentials or 900

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.access_token >= self.session_idle:
            raise ValueError(
                f"access_token is {self.access_token}, but needs less than session_idle, {self.session_idle}"
            )
        if self.session_idle > self.session_max:
            raise ValueError(f"session_idle is {self.session_idle}, but may be at most session_max, {self.session_max}")
        return self


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


class SettingsError(pulumi.RunError):
    """The stack file says something that it may not; the message names the key, the value and what is allowed."""


def load() -> Settings:
    """The current stack's settings."""
    config = pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env()
    encrypted = {key for key in config if pulumi.runtime.config.is_config_secret(key)}
    return parse(pulumi.get_project(), pulumi.get_stack(), config, os.environ, encrypted)


def parse(
    project: str,
    stack: str,
    config: Mapping[str, str],
    environment: Mapping[str, str],
    encrypted: Collection[str] = (),
) -> Settings:
    """Settings from a stack's flat configuration, in which a structured value is JSON."""
    if hidden := sorted(key for key in encrypted if key.startswith(f"{project}:")):
        raise _unusable(stack, [f"{key}: is encrypted, but no setting is a secret; write it plainly" for key in hidden])
    given = {
        key.removeprefix(f"{project}:"): _structured(value)
        for key, value in config.items()
        if key.startswith(f"{project}:")
    }
    defaults = {"prefix": f"mlflow-{stack}".lower(), "images": environment.get(_IMAGES_VARIABLE) or "registry"}
    origins = {"prefix": "made from the stack's name", "images": f"from the variable {_IMAGES_VARIABLE}"}
    try:
        return Settings.model_validate({**defaults, **given})
    except ValidationError as error:
        missing = {key: origin for key, origin in origins.items() if key not in given}
        raise _unusable(stack, _problems(project, error, missing)) from None


def _structured(value: str) -> Any:
    """Pulumi hands lists and mappings over as JSON, all else as text, from which pydantic reads what the field is."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _unusable(stack: str, problems: Iterable[str]) -> SettingsError:
    title = f"The settings of stack {stack} (Pulumi.{stack}.yaml) are not usable:"
    return SettingsError("\n  ".join([title, *problems]))


def _problems(project: str, error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    return [
        f"{_place(project, problem['loc'], origins)}: {_complaint(problem)}"
        for problem in error.errors()
        # Of a mapping the other branch of its union complains; that it is no name either is no help.
        if not (_is_name_branch(problem["loc"]) and isinstance(problem["input"], dict))
    ]


def _is_name_branch(location: tuple[int | str, ...]) -> bool:
    return bool(location) and str(location[-1]).startswith("literal[")


def _place(project: str, location: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    # A union's branch names are pydantic's, not the user's.
    parts = [str(part) for part in location if not str(part).startswith(("literal[", "BucketAccess"))]
    path = ".".join(parts)
    origin = f" ({origins[path]})" if path in origins else ""
    return f"{project}:{path}{origin}" if parts else project


def _complaint(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key; known here: {_keys(problem['loc'][:-1])}"
        case "missing":
            return "missing"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "model_type":
            return f"needs a mapping (of {_keys(problem['loc'])}), but it is {problem['input']!r}"
        case _:
            return f"{problem['msg']}, but it is {problem['input']!r}"


_NODES: dict[str, type[Strict]] = {
    "ports": Ports,
    "storage": Storage,
    "tracking": Tracking,
    "lifetimes": Lifetimes,
    "service_clients": ServiceClient,
}


def _keys(location: tuple[int | str, ...]) -> str:
    """What a mapping at this place may hold."""
    model: type[Strict] = Settings
    if location and location[0] == "teams":
        model = BucketAccess if "BucketAccess" in location else Team
    elif location:
        model = _NODES[str(location[0])]
    return ", ".join(sorted(model.model_fields))
