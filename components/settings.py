"""What a stack's YAML may say: one typed tree, read once. Nothing else reads configuration."""

import json
import os
from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

ImageSource = Literal["registry", "local"]
Level = Literal["ADMIN", "MANAGE", "EDIT", "USE", "READ"]
CannedPolicy = Literal["consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"]

# Names end up in container names, group names and policy names.
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$")]
Username = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$")]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Address = Annotated[str, AfterValidator(lambda value: str(IPv4Address(value)))]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")]
Prefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9!_.()-][A-Za-z0-9!_.()/-]*/$")]  # no wildcards, no policy variables
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
        ports = list(self.model_dump().values())
        if twice := sorted({port for port in ports if ports.count(port) > 1}):
            raise ValueError(f"each port may be used once, {twice[0]} is used twice")
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


class Storage(Strict):
    """MinIO's shape: nodes times drives, and the artifact bucket on them."""

    nodes: Literal[1, 4, 8] = 1
    drives: int = Field(default=1, ge=1, le=4)
    bucket: Bucket = "mlflow"
    region: Slug = "us-east-1"


class Tracking(Strict):
    """MLflow's shape."""

    workers: int = Field(default=2, ge=1, le=64)


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

    @model_validator(mode="after")
    def _members_exist(self) -> Self:
        for group, team in self.teams.items():
            if unknown := sorted(set(team.members) - set(self.dev_users)):
                raise ValueError(f"teams.{group}.members names {unknown[0]}, who is not in dev_users")
        return self

    def url(self, port: int) -> str:
        """Where a user's browser or client finds what listens on this public port."""
        return f"http://{self.host}:{port}"


class SettingsError(pulumi.RunError):
    """The stack file says something that it may not; the message names the key, the value and what is allowed."""


def load() -> Settings:
    """The current stack's settings."""
    return parse(
        pulumi.get_project(), pulumi.get_stack(), pulumi.runtime.config.CONFIG.get() or pulumi_config(), os.environ
    )


def pulumi_config() -> dict[str, str]:
    """What the engine hands the program; the SDK reads it lazily, key by key."""
    return pulumi.runtime.config.get_config_env()


def parse(project: str, stack: str, config: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Settings from a stack's flat configuration, in which a structured value is JSON."""
    keys = {key.removeprefix(f"{project}:"): value for key, value in config.items() if key.startswith(f"{project}:")}
    tree: dict[str, Any] = {
        "prefix": f"mlflow-{stack}".lower(),
        "images": environment.get("MLFLOW_PLATFORM_IMAGES", "registry"),
        **{key: _structured(value) for key, value in keys.items()},
    }
    try:
        return TypeAdapter(Settings).validate_python(tree)
    except ValidationError as error:
        raise SettingsError("\n".join([f"Pulumi.{stack}.yaml is not usable:", *_problems(project, error)])) from None


def _structured(value: str) -> Any:
    """Pulumi hands lists, mappings, numbers and booleans over as JSON, and plain strings as they are."""
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _problems(project: str, error: ValidationError) -> list[str]:
    return [f"  {_place(project, problem['loc'])}: {_complaint(problem)}" for problem in error.errors()]


def _place(project: str, location: tuple[int | str, ...]) -> str:
    # A union's branch names are pydantic's, not the user's.
    parts = [str(part) for part in location if not str(part).startswith(("literal[", "BucketAccess"))]
    return f"{project}:{'.'.join(parts)}" if parts else project


def _complaint(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return f"unknown key; known here: {', '.join(_known(problem['loc']))}"
    if problem["type"] == "missing":
        return "missing"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return f"{problem['msg']}, but it is {problem['input']!r}"


def _known(location: tuple[int | str, ...]) -> list[str]:
    names = [str(part) for part in location]
    models: dict[str, type[Strict]] = {"ports": Ports, "storage": Storage, "tracking": Tracking}
    if names[0] == "teams":
        model: type[Strict] = BucketAccess if "BucketAccess" in names else Team
    else:
        model = models.get(names[0], Settings) if len(names) > 1 else Settings
    return sorted(model.model_fields)
