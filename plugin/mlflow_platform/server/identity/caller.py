"""Who is asking: set by the outer layer once a token is verified, read by MLflow's permission engine."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from flask import Response, jsonify, request
from werkzeug.datastructures import Authorization

from mlflow_platform.server.settings import DEFAULT_WORKSPACE, Level


@dataclass(frozen=True)
class Identity:
    """A person or a service, as one verified access token describes them."""

    username: str
    teams: frozenset[str]  # those of the token's groups that the settings give a level
    levels: Mapping[str, Level]  # the highest of its teams in each workspace that it has, the first choice first
    client: str  # the token's azp: the client it was issued to
    has_policy: bool  # whether the token names a MinIO policy at all
    issued_at: int
    expires_at: int
    reads: frozenset[str] = frozenset()  # what begins the keys of the bucket that its teams may read
    asked: str | None = None  # the workspace that the request names

    @property
    def workspace(self) -> str:
        """The one that is meant."""
        return self.asked or next(iter(self.levels), DEFAULT_WORKSPACE)

    @property
    def level(self) -> Level | None:
        """What it may do there; None for nothing at all."""
        return self.levels.get(self.workspace)

    @property
    def administrates(self) -> bool:
        """Whether it may do everything, in every workspace."""
        return Level.ADMIN in self.levels.values()


current: ContextVar[Identity | None] = ContextVar("mlflow_platform_identity", default=None)


def authorization() -> Authorization | Response:
    """MLflow's `authorization_function`; without a verified token it refuses, whatever headers a request carries.

    MLflow calls it several times a request, in Flask's threads and on the event loop: the context reaches both.
    """
    identity = current.get()
    if identity is None:
        response = jsonify(error_code="UNAUTHENTICATED", message="A bearer token of the platform's realm is required.")
        response.status_code = 401
        return response
    who = Authorization("bearer", {"username": identity.username})
    # Where MLflow looks for the user that a job is for; the header itself ended at the gate.
    request.authorization = who  # pyright: ignore[reportAttributeAccessIssue]
    return who


AUTHORIZATION = f"{__name__}:{authorization.__name__}"  # as MLflow's configuration names it
