"""A stack's teams, as each part of the platform understands them."""

from components.people import Group
from components.policies import team_policy
from components.settings import BucketAccess, CannedPolicy, Settings
from components.tracking import MemberRights

_READING = ("consoleAdmin", "readwrite", "readonly")  # of MinIO's canned policies


def groups(settings: Settings) -> dict[str, Group]:
    """For Keycloak: the groups, and the policy that each one's tokens carry."""
    return {
        name: Group(
            policy=_generated(name) if isinstance(team.storage, BucketAccess) else team.storage,
            members=team.members,
            service_clients=tuple(client for client, of in settings.service_clients.items() if of.team == name),
        )
        for name, team in settings.teams.items()
    }


def policies(settings: Settings) -> dict[str, str]:
    """For MinIO: the policies that are not canned, as JSON by name."""
    return {
        _generated(name): team_policy(
            settings.storage.bucket, team.storage.access, team.storage.prefixes, settings.lifetimes.longest_storage
        )
        for name, team in settings.teams.items()
        if isinstance(team.storage, BucketAccess)
    }


def members_rights(settings: Settings) -> dict[str, MemberRights]:
    """For MLflow: what a team may do there."""
    return {name: MemberRights(level=team.mlflow, reads=_reads(team.storage)) for name, team in settings.teams.items()}


def _reads(storage: CannedPolicy | BucketAccess) -> list[str]:
    """Folders of the bucket; the empty one is all of it."""
    if isinstance(storage, BucketAccess):
        return list(storage.prefixes) or [""]
    return [""] if storage in _READING else []


def _generated(team: str) -> str:
    return f"team-{team}"
