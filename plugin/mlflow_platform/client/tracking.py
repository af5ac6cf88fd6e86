"""What MLflow finds by entry points: who sends a request, who made a run, and where artifacts go.

Nothing of it acts without a login. MLflow loads this module while it is being imported itself, and the server's image
has the entry points too, but not what the client depends on: neither is imported up here.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.utils import rewind_body

from mlflow_platform.client.addresses import InvalidUrl, is_within, normalized, server_of
from mlflow_platform.client.mlflow_session import NAME, authority_of, find_session, has_own_credentials, session_at

if TYPE_CHECKING:
    from mlflow_platform.client.artifacts import PlatformS3ArtifactRepository


class PlatformHeaders:
    """Turns the next class on, for requests to the server that the login is for. MLflow asks at every request."""

    def in_context(self) -> bool:
        return True

    def request_headers(self) -> dict[str, str]:
        target = _requested()
        server = _server(target)
        if server:
            _trust(target, server)
        if server and not has_own_credentials(target) and session_at(server):
            target.auth = NAME  # not a header: MLflow repeats those for minutes, and tokens may end before
            return _workspace(server)
        return {}


class PlatformAuth:
    """The token; also by MLFLOW_TRACKING_AUTH=mlflow-platform, where no headers can be added."""

    def get_name(self) -> str:
        return NAME

    def get_auth(self) -> AuthBase:
        target = _requested()
        if server := _server(target):
            _trust(target, server)
        return Bearer(server, verified=bool(target and target.verify))


class PlatformUser:
    """Runs carry the name of the login that they are made with."""

    def in_context(self) -> bool:
        return find_session() is not None

    def tags(self) -> dict[str, str]:
        session = find_session()
        return {"mlflow.user": session.username} if session else {}


class PlatformExperiment:
    """The workspace's own experiment `Default`, for who names none: MLflow's number 0 is in one workspace alone."""

    def in_context(self) -> bool:
        return find_session() is not None

    def get_experiment_id(self) -> str:
        from mlflow.tracking import MlflowClient

        found = MlflowClient().get_experiment_by_name("Default")
        return found.experiment_id if found else "0"


def artifact_repository(
    artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
) -> PlatformS3ArtifactRepository:
    """A function and not the class, whose module needs all of MLflow."""
    from mlflow_platform.client.artifacts import PlatformS3ArtifactRepository

    return PlatformS3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)


class Bearer(AuthBase):
    """The token for one tracking server."""

    def __init__(self, server: str | None, *, verified: bool):
        self._server, self._verified = server, verified

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        token = self._token(request)
        if token and "Authorization" not in request.headers:
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", self._asked_anew)
            request.register_hook("response", _settled)
        return request

    def _asked_anew(self, answer: Response, **options: Any) -> Response:
        """The answer, unless the token was over: then the one to another token, whatever that is.

        It ended while MLflow repeated the request, or a clock is wrong.
        """
        self._check_scheme(answer)
        request = answer.request.copy()
        if answer.status_code != 401 or "Authorization" not in request.headers:  # without: redirected to another server
            return answer
        sent = str(request.headers["Authorization"]).removeprefix("Bearer ")
        token = self._token(request, over=sent if "expired" in answer.text else None)
        if not token or token == sent:
            return answer
        if hasattr(request.body, "seek"):
            rewind_body(request)
        answer.close()
        request.headers["Authorization"] = f"Bearer {token}"
        anew: Response = answer.connection.send(request, **options)  # pyright: ignore[reportAttributeAccessIssue]
        anew.request = request
        return anew

    def _check_scheme(self, answer: Response) -> None:
        """Raises ClientError for a redirect from http to https or back, where `requests` may send the token along."""
        if not answer.is_redirect:
            return
        target = urlsplit(urljoin(answer.url, answer.headers["Location"]))
        if target.scheme == urlsplit(answer.url).scheme:
            return
        from mlflow_platform.client import discovery, web

        elsewhere = web.redirected(answer.url, f"{target.scheme}://{target.netloc}")
        if self._server and target.scheme == "https" and elsewhere.location:
            raise discovery.moved(self._server, elsewhere.location)
        raise elsewhere

    def _token(self, request: PreparedRequest, over: str | None = None) -> str | None:
        if not self._server or not is_within(request.url or "", self._server):
            return None
        session = session_at(self._server)
        if session and (self._verified or self._server.startswith("http:")):
            from mlflow_platform.client import discovery

            discovery.check_server(self._server)
        return session.access_token(over=over) if session else None


def _settled(answer: Response, **_: Any) -> Response:
    from mlflow_platform.client import races

    return races.settled(answer)


def _workspace(server: str) -> dict[str, str]:
    from mlflow_platform.client import workspaces

    name = workspaces.meant(server)
    return {workspaces.HEADER: name} if name else {}


def _trust(target: Any, server: str) -> None:
    """Makes MLflow trust what the login does, unless it was told to trust something else, or anybody."""
    if not target.ignore_tls_verification and (file := authority_of(server)):
        target.server_cert_path = file


def _server(target: Any) -> str | None:
    """The tracking server that MLflow asks: the one of the environment, below which artifacts have addresses too."""
    try:
        return (server_of(target.host) or normalized(target.host)) if target else None
    except InvalidUrl:
        return None


def _requested() -> Any:
    """Where the request goes that MLflow is about to send; None for whoever else asks.

    MLflow does not tell its header providers, and sends what they give to any server whatsoever: to the one of an
    artifact's http address, which other people write, for instance. Only the caller's own variables say which it is.
    """
    frame = sys._getframe(1)
    while frame:
        if frame.f_code.co_name == "http_request" and frame.f_globals.get("__name__") == "mlflow.utils.rest_utils":
            return frame.f_locals.get("host_creds")
        frame = frame.f_back
    return None
