"""Who may do what: teams, and programs that have a team's rights."""

from typing import Literal

from components.settings.values import Prefix, Slug, Strict, Username

Level = Literal["ADMIN", "MANAGE", "EDIT", "USE", "READ"]
CannedPolicy = Literal["consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"]


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
