"""Who may do what: teams, and programs that have a team's rights."""

from typing import Literal

from components.settings.values import Prefix, Slug, Strict, Username

Level = Literal["ADMIN", "MANAGE", "EDIT", "USE", "READ"]
CannedPolicy = Literal["consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"]


class BucketAccess(Strict):
    """A policy of the platform's making, on the artifact bucket."""

    access: Literal["read", "write"]
    """`write` is to read, too."""
    prefixes: tuple[Prefix, ...] = ()
    """Folders that it is for, each with a slash at its end; none: all of the bucket."""


class Team(Strict):
    """A group and its rights: the only place where groups become rights."""

    mlflow: Level
    """What its members may do with everything in MLflow."""
    storage: CannedPolicy | BucketAccess
    """What its members may do in MinIO; a canned policy limits neither keys nor how long they last, and is for
    administrators."""
    members: tuple[Username, ...] = ()
    """Of `dev_users`. Others are put into the group in Keycloak, and stay whatever stands here."""


class ServiceClient(Strict):
    """A program that logs in by itself, for example a CI job."""

    team: Slug
    """Whose rights it has."""
