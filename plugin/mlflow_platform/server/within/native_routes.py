"""MLflow's middlewares, kept to the requests that they do something for.

Each is one of Starlette's `BaseHTTPMiddleware`, which costs a task and a queue per request, and the one for permissions
asks all native routes whether a request is theirs, too. For most requests, which are for Flask, they do nothing in the
end (mlflow 3.17.2): Flask asks for permissions itself.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fastapi import FastAPI
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.server.auth import _find_fastapi_validator, _native_fastapi_routes, _scope_matches_native_route
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_platform.server.settings import SettingsError

MOST = 4096  # answers that are kept,
LONGEST = 256  # of paths that are not longer: callers make them up

Concerns = Callable[[str, str], bool]  # a path and a method


def concerns(app: FastAPI) -> dict[str, Concerns]:
    """Which requests a middleware, by its name, does something for."""
    native = _native_fastapi_routes(app)

    def natively(path: str, method: str) -> bool:
        scope = {"type": "http", "path": path, "root_path": "", "method": method, "headers": []}
        return _scope_matches_native_route(native, scope)

    def permissions(path: str, method: str) -> bool:
        """Where it decides, or would refuse: a native route that has no validator."""
        return _find_fastapi_validator(path, method) is not None or natively(path, method)

    return {
        "fastapi_permission_middleware": permissions,
        "gateway_timing_middleware": lambda path, method: path.startswith("/gateway/"),
        # Of other routes the gate says which is meant, and Flask hears it.
        "workspace_context_middleware": lambda path, method: MLFLOW_ENABLE_WORKSPACES.get() and natively(path, method),
    }


def keep_to_their_requests(app: FastAPI) -> None:
    """Raises SettingsError where MLflow's middlewares are not those that are known here: none may be overlooked."""
    known = concerns(app)
    found = {
        getattr(middleware.kwargs.get("dispatch"), "__name__", ""): number
        for number, middleware in enumerate(app.user_middleware)
        if middleware.cls is BaseHTTPMiddleware
    }
    if found.keys() != known.keys():
        raise SettingsError(f"MLflow has other middlewares than {', '.join(known)}: {', '.join(found)}")
    for name, number in found.items():
        dispatch = app.user_middleware[number].kwargs["dispatch"]
        app.user_middleware[number] = Middleware(_Sometimes, dispatch=dispatch, concerns=known[name])


class _Sometimes:
    """A middleware that is not there for what does not concern it."""

    def __init__(self, app: ASGIApp, dispatch: Any, concerns: Concerns):
        self._app = app
        self._middleware = BaseHTTPMiddleware(app, dispatch)
        self._concerns = concerns
        self._remembered = lru_cache(MOST)(concerns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path, method = scope["path"], scope["method"]
            concerned = (self._remembered if len(path) <= LONGEST else self._concerns)(path, method)
        else:
            concerned = True
        await (self._middleware if concerned else self._app)(scope, receive, send)
