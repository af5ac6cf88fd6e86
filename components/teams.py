"""A stack's teams, as each part of the platform understands them."""

from components.people import Group
from components.policies import EVERYTHING, team_policy
from components.settings import DEFAULT_WORKSPACE, BucketAccess, Settings, Team
from components.tracking import MemberRights

_READING = ("consoleAdmin", "readwrite", "readonly")  # of MinIO's canned policies
_WRITING = ("MANAGE", "EDIT")  # of MLflow's levels


def groups(settings: Settings) -> dict[str, Group]:
    """For Keycloak: the groups, and the policy that each one's tokens carry."""
    return {
        name: Group(
            policy=team.storage if isinstance(team.storage, str) else _generated(name),
            members=team.members,
            second_factor=team.second_factor,
            service_clients=tuple(client for client, of in settings.service_clients.items() if of.team == name),
        )
        for name, team in settings.teams.items()
    }


def policies(settings: Settings) -> dict[str, str]:
    """For MinIO: the policies that are not canned, as JSON by name."""
    return {
        _generated(name): team_policy(
            settings.storage.bucket, *_reads_and_writes(team), settings.lifetimes.longest_storage
        )
        for name, team in settings.teams.items()
        if not isinstance(team.storage, str)
    }


def members_rights(settings: Settings) -> dict[str, MemberRights]:
    """For MLflow: what a team may do there."""
    return {
        name: MemberRights(
            levels=dict(team.mlflow)
            if isinstance(team.mlflow, dict)
            else dict.fromkeys(settings.all_workspaces, team.mlflow),
            reads=_reads(team),
        )
        for name, team in settings.teams.items()
    }


def _reads(team: Team) -> list[str]:
    if isinstance(team.storage, str):
        return list(EVERYTHING) if team.storage in _READING else []
    reads, writes = _reads_and_writes(team)
    return [*reads, *writes]


def _reads_and_writes(team: Team) -> tuple[list[str], list[str]]:
    """What begins the keys that a team may read, and those that it may also write."""
    reads, writes = [], []
    if isinstance(team.storage, BucketAccess):
        (writes if team.storage.access == "write" else reads).extend(team.storage.prefixes or EVERYTHING)
    if isinstance(team.mlflow, dict):
        for workspace, level in team.mlflow.items():
            (writes if level in _WRITING else reads).extend(_folders(workspace))
    return reads, writes


def _folders(workspace: str) -> list[str]:
    """Where MLflow keeps a workspace's artifacts; in folders that are numbers, what was there before any workspace."""
    older = list("0123456789") if workspace == DEFAULT_WORKSPACE else []
    return [*older, f"workspaces/{workspace}/"]


def _generated(team: str) -> str:
    return f"team-{team}"
