"""Who is asking: set by the outer layer once a token is verified, read by MLflow's permission engine."""

from contextvars import ContextVar
from dataclasses import dataclass

from flask import Response, jsonify, request
from werkzeug.datastructures import Authorization

from mlflow_platform.server.settings import Level


@dataclass(frozen=True)
class Identity:
    """A person or a service, as one verified access token describes them."""

    username: str
    teams: frozenset[str]  # those of the token's groups that the settings give a level
    level: Level | None  # the highest of its teams; None without a team
    client: str  # the token's azp: the client it was issued to
    has_policy: bool  # whether the token names a MinIO policy at all
    issued_at: int
    expires_at: int
    reads: frozenset[str] = frozenset()  # folders of the bucket that its teams may read, as the settings have them


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
