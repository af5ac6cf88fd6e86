"""Which workspace a request is for: the one that it names, else the first that its caller has."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlflow.utils.workspace_context import ServerWorkspaceContext
from starlette.types import Scope

from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.responses import Error, Refused, forbidden

HEADER = b"x-mlflow-workspace"


def entered(identity: Identity, headers: list[tuple[bytes, bytes]]) -> Identity:
    """The caller, there. Raises Refused where none of his teams is in it, whether it exists or not."""
    asked = [value for name, value in headers if name == HEADER]
    if len(asked) > 1:
        raise Refused(Error(400, "BAD_REQUEST", "The request names more than one workspace."))
    name = asked[0].decode("latin-1").strip() if asked else ""
    if not name or not identity.levels:
        return identity
    if name not in identity.levels:
        yours = ", ".join(identity.levels)
        raise Refused(forbidden(f"None of your teams is in a workspace of that name; yours are {yours}."))
    return replace(identity, asked=name)


@contextmanager
def within(identity: Identity, scope: Scope) -> Iterator[Scope]:
    """The request, as MLflow (3.17.2) takes it to be for the caller's workspace.

    Flask's part asks for the context that is set here, so that it looks nothing up; native routes, which clear it after
    asking for permissions, read the header.
    """
    others = [header for header in scope["headers"] if header[0] != HEADER]
    with ServerWorkspaceContext(identity.workspace):
        yield {**scope, "headers": [*others, (HEADER, identity.workspace.encode())]}
