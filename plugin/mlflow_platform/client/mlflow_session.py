"""The session that MLflow acts with here: none for whoever brings other credentials, or on the platform's own server.

MLflow loads this while it is being imported itself, as it does the module of its entry points: nothing is imported up
here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_platform.client.sessions import Session

NAME = "mlflow-platform"  # of this plugin, among those that MLflow knows


def find_session(tracking_uri: str | None = None) -> Session | None:
    """The session at MLflow's tracking server."""
    from mlflow.tracking import get_tracking_uri
    from mlflow.utils.credentials import get_default_host_creds

    tracking_uri = tracking_uri or get_tracking_uri()
    if not tracking_uri.startswith("http") or has_own_credentials(get_default_host_creds(tracking_uri)):
        return None
    return session_at(tracking_uri)


def session_at(server: str) -> Session | None:
    """The session at a server, whatever credentials there are besides."""
    if os.environ.get("MLFLOW_PLATFORM_CONFIG"):  # this is the platform's own server
        return None
    from mlflow_platform.client import sessions

    return sessions.find(server)


def authority_of(server: str) -> str | None:
    """The file of certificates that is kept for a server, whoever acts there and with what credentials."""
    if os.environ.get("MLFLOW_PLATFORM_CONFIG"):  # this is the platform's own server
        return None
    from mlflow_platform.client import certificates

    return certificates.own(server)


def has_own_credentials(target: Any) -> bool:
    """Whether the user told MLflow how to log in: by a token, a password, or another plugin."""
    return bool(target.token or target.username or target.aws_sigv4 or target.auth not in (None, "", NAME))
