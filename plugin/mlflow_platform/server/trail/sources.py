"""Where events are read: from this server's own table, and from Keycloak's."""

from functools import partial

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from mlflow_platform.server.settings import AUTH_DATABASE_VARIABLE, KEYCLOAK_EVENTS_VARIABLE, secret
from mlflow_platform.server.trail import keycloak, table
from mlflow_platform.server.trail.reading import Source


def sources(seconds: float = 0) -> list[Source]:
    """With connections of their own, whose queries end after this time, if it is any."""
    ours, keycloaks = (_engine(secret(name), seconds) for name in (AUTH_DATABASE_VARIABLE, KEYCLOAK_EVENTS_VARIABLE))
    return [
        partial(table.kept, ours),
        partial(keycloak.logins, keycloaks),
        partial(keycloak.administration, keycloaks),
    ]


def _engine(uri: str, seconds: float) -> Engine:
    limit = {"options": f"-c statement_timeout={int(seconds * 1000)}"} if uri.startswith("postgresql") else {}
    return create_engine(uri, poolclass=NullPool, connect_args=limit)
