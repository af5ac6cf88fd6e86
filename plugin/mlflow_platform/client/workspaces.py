"""Which of a platform's workspaces is meant where nothing else says so: kept per server, beside the login.

Without any choice the platform takes the first that one is in.
"""

from __future__ import annotations

import os

from mlflow_platform.client import web
from mlflow_platform.client.certificates import trusted
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.private import PrivateFile
from mlflow_platform.client.sessions import Session

HEADER = "X-MLFLOW-WORKSPACE"
VARIABLE = "MLFLOW_WORKSPACE"
"""MLflow's own, which `mlflow.set_workspace` sets as well: it goes before what is kept here."""

_LONGEST = 64  # MLflow's names have 63 characters


def meant(server: str) -> str | None:
    """What to add to MLflow's own requests: the one that was chosen, unless MLflow itself was told of one."""
    return None if os.environ.get(VARIABLE) else chosen(server)


def chosen(server: str) -> str | None:
    content = _file(server).read()
    return content.decode("ascii", "replace").strip() or None if content else None


def asked(server: str) -> str | None:
    """The one that requests name; None leaves it to the platform."""
    return os.environ.get(VARIABLE) or chosen(server)


def used(server: str, theirs: list[str]) -> str | None:
    """The one that MLflow works in here, of somebody's."""
    return asked(server) or next(iter(theirs), None)


def choose(session: Session, name: str) -> list[str]:
    """Keeps it for all processes of this user, and says what else is hers. Raises ClientError where it is not."""
    if name not in (theirs := listed(session)):
        there = f"there are {', '.join(theirs)}" if theirs else f"{session.tracking_uri} has none"
        raise ClientError(f"There is no workspace {name} for {session.username}; {there}.")
    file = _file(session.tracking_uri)
    with file.replacement(f"{name}\n".encode()) as new:
        file.put(new)
    return theirs


def listed(session: Session) -> list[str]:
    """All that the session's user is in, the one first that the platform takes by itself; none, where it has none."""
    server = session.tracking_uri
    status, answer = web.get_as(session.access_token(), f"{server}/oidc/session", trusted(server))
    if status != 200:
        raise ClientError(str(answer.get("message") or f"{server} does not say who is logged in ({status})."))
    return [str(name) for name in answer.get("workspaces", [])]


def _file(server: str) -> PrivateFile:
    return PrivateFile(server, "workspace", "workspace", _LONGEST)
