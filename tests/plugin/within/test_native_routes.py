"""MLflow's middlewares see the requests that they do something for, all of them, and no others."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from mlflow_platform.server.settings import SettingsError
from mlflow_platform.server.within.native_routes import LONGEST, concerns, keep_to_their_requests
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.plugin.conftest import PARAMETER

NAMES = ("fastapi_permission_middleware", "gateway_timing_middleware", "workspace_context_middleware")


async def flask(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("flask")(scope, receive, send)


def app(*names: str, seen: list[str] | None = None) -> FastAPI:
    """With middlewares of these names, a native route, and a mount that takes the rest, as MLflow's has."""
    made = FastAPI()
    for name in names:

        async def dispatch(request: Any, call_next: Callable[..., Any], name: str = name) -> Any:
            if seen is not None:
                seen.append(name)
            return await call_next(request)

        dispatch.__name__ = name
        made.middleware("http")(dispatch)
    made.get("/native/{one}")(lambda one: one)
    made.mount("/", flask)
    return made


def who_saw(method: str, path: str) -> list[str]:
    seen: list[str] = []
    made = app(*NAMES, seen=seen)
    keep_to_their_requests(made)

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://here") as http:
            return (await http.request(method, path)).status_code

    assert asyncio.run(ask()) == 200
    return sorted(name.partition("_")[0] for name in seen)


@pytest.mark.parametrize(
    ("path", "saw"),
    [
        ("/native/1", ["fastapi"]),
        ("/native/%2e", ["fastapi"]),
        (f"/native/{'x' * LONGEST}", ["fastapi"]),
        ("/native/1/2", []),
        ("/api/2.0/mlflow/experiments/search", []),
        (f"/api/{'x' * LONGEST}", []),
        ("/gateway/mlflow/v1/models", ["fastapi", "gateway"]),
        ("/v1/traces", ["fastapi"]),
        ("/ajax-api/3.0/jobs/search", ["fastapi"]),
        ("/ajax-api/3.0/mlflow/assistant/x", ["fastapi"]),
    ],
)
def test_a_middleware_sees_what_concerns_it(path: str, saw: list[str]) -> None:
    assert who_saw("GET", path) == saw


def test_workspaces_are_looked_at_where_they_are_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    assert who_saw("GET", "/native/1") == ["fastapi", "workspace"]
    assert who_saw("GET", "/api/2.0/mlflow/experiments/search") == []  # the gate has told Flask


@pytest.mark.parametrize("names", [NAMES[:2], (*NAMES, "a_newer_one"), ()])
def test_an_mlflow_with_other_middlewares_does_not_start(names: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError, match="other middlewares"):
        keep_to_their_requests(app(*names))


def test_every_native_route_of_mlflow_concerns_its_permissions(
    routes: list[tuple[str, str]], native: list[tuple[str, str]]
) -> None:
    from mlflow.server.fastapi_app import app as mlflow

    permissions = concerns(mlflow)["fastapi_permission_middleware"]
    assert len(native) > 30
    assert all(permissions(path, method) for method, path in native)
    flasks = [(method, path) for method, path in routes if (method, path) not in native]
    assert sum(permissions(path, method) for method, path in flasks) < len(flasks) / 10


@pytest.fixture(scope="module")
def native() -> list[tuple[str, str]]:
    from mlflow.server.fastapi_app import app as mlflow

    from tests.plugin.list_routes import native as native_of

    found = {(method, path) for methods, path in native_of(mlflow.routes) for method in methods}
    return sorted((method, PARAMETER.sub("1", path)) for method, path in found)
