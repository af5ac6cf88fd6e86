"""OpenTelemetry's own exporters, for spans that other libraries make: they are handed the login's tokens, renewed.

By themselves they send what `OTEL_EXPORTER_OTLP_HEADERS` said at the start, and MLflow's `mlflow.otel.autolog` hands
them no token of ours at all. OpenTelemetry's hook for that is the entry point `opentelemetry_otlp_credential_provider`,
which `OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER=mlflow-platform` chooses for a process
(opentelemetry-exporter-otlp-proto-http 1.45.2, `_load_session_from_envvar`).
"""

from typing import Any

from requests import PreparedRequest, Response, Session
from requests.auth import AuthBase

from mlflow_platform.client import workspaces
from mlflow_platform.client.addresses import InvalidUrl, normalized
from mlflow_platform.client.mlflow_session import authority_of, session_at
from mlflow_platform.client.tracking import Bearer

_PATHS = ("/v1/traces", "/v1/metrics", "/v1/logs")


def session() -> Session:
    """What an exporter sends with, wherever it sends to: what is no platform with a login gets nothing."""
    return _Session()


class _Session(Session):
    def __init__(self) -> None:
        super().__init__()
        self.auth = _Login(self)

    def request(self, method: Any, url: Any, *arguments: Any, **options: Any) -> Response:
        """Trusts what the login to that server does, unless the exporter was told what to trust."""
        server = _server(str(url))
        if self.verify is True and server and (file := authority_of(server)):
            options["verify"] = file
        return super().request(method, url, *arguments, **options)


class _Login(AuthBase):
    def __init__(self, session: Session):
        self._session = session

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        server = _server(request.url or "")
        if server and session_at(server) and (name := workspaces.asked(server)):
            request.headers.setdefault(workspaces.HEADER, name)
        return Bearer(server, verified=bool(self._session.verify))(request)


def _server(url: str) -> str | None:
    """The tracking server whose door for telemetry this is."""
    path = next((path for path in _PATHS if url.endswith(path)), None)
    try:
        return normalized(url.removesuffix(path)) if path else None
    except InvalidUrl:
        return None
