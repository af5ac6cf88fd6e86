"""A stack's teams, as each part of the platform understands them."""

from components.people import Group
from components.policies import team_policy
from components.settings import BucketAccess, Settings


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


def levels(settings: Settings) -> dict[str, str]:
    """For MLflow: what a team may do there."""
    return {name: team.mlflow for name, team in settings.teams.items()}


def _generated(team: str) -> str:
    return f"team-{team}"
