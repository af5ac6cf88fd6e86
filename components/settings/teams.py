"""Who may do what: teams, and programs that have a team's rights."""

from typing import Annotated, Literal

from pydantic import Field

from components.settings.values import Prefix, Slug, Strict, Username, Workspace

DEFAULT_WORKSPACE = "default"
"""MLflow's own, which every stack has; where no workspaces are set, all that there is."""

Level = Literal["ADMIN", "MANAGE", "EDIT", "USE", "READ"]
LevelWithin = Literal["MANAGE", "EDIT", "USE", "READ"]
SecondFactor = Literal["code", "passkey"]
"""One-time codes of an app, for which a passkey does, too; or passkeys alone, which nobody can be talked out of."""

CannedPolicy = Literal["consoleAdmin", "readwrite", "readonly", "writeonly", "diagnostics"]


class BucketAccess(Strict):
    """A policy of the platform's making, on the artifact bucket."""

    access: Literal["read", "write"]
    """`write` is to read, too."""
    prefixes: tuple[Prefix, ...] = ()
    """Folders that it is for, each with a slash at its end; none: all of the bucket."""


class Team(Strict):
    """A group and its rights: the only place where groups become rights."""

    mlflow: Level | Annotated[dict[Workspace, LevelWithin], Field(min_length=1)]
    """What its members may do with everything in MLflow; in a stack with `workspaces`, a level for each of theirs."""
    storage: CannedPolicy | BucketAccess | None = None
    """What its members may do in MinIO; a canned policy limits neither keys nor how long they last, and is for
    administrators. Access to the artifacts of workspaces follows from the levels there, without this."""
    members: tuple[Username, ...] = ()
    """Of `dev_users`. Others are put into the group in Keycloak, and stay whatever stands here."""
    second_factor: SecondFactor | None = None
    """What its members need besides the password, however they come: a `code` of an app on their phone, or a passkey
    instead; or a `passkey` alone, which no false page can take from them. Who has none sets it up at the next login."""

    def fault(self, workspaces: tuple[str, ...]) -> str | None:
        """What does not fit a stack with these workspaces, or with none: the key, and a sentence."""
        if isinstance(self.mlflow, str):
            if workspaces and self.mlflow != "ADMIN":
                return (
                    f"mlflow is {self.mlflow} in no workspace; write a level for each of the team's, for example "
                    f"{{{workspaces[0]}: {self.mlflow}}}"
                )
            return None if self.storage else "storage is missing; say what members may do in MinIO: {access: read}"
        if not workspaces:
            return "mlflow names workspaces, and the stack has none; name them in workspaces, or write one level"
        if unknown := [workspace for workspace in self.mlflow if workspace not in workspaces]:
            return f"mlflow names {unknown[0]}, which is not in workspaces ({', '.join(workspaces)})"
        if self.storage and not (isinstance(self.storage, BucketAccess) and self.storage.prefixes):
            return "storage reaches all workspaces; leave it out, since the levels open the artifacts of the team's own"
        if self.storage and (
            theirs := next((it for it in self.storage.prefixes if it.startswith("workspaces/")), None)
        ):
            return f"storage.prefixes has {theirs}, where workspaces keep artifacts; the levels open the team's own"
        return None


class ServiceClient(Strict):
    """A program that logs in by itself, for example a CI job."""

    team: Slug
    """Whose rights it has."""
