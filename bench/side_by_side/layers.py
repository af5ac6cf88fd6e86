"""Where a request's time goes within one server: run in its container, prints JSON.

Calls the ASGI app itself, one request after the other, so that neither network nor queues count; and takes processor
time, which tells layers apart even on a busy machine. `layers.py no-auth|platform REQUESTS` with the requests as JSON.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP = 20
REQUESTS = 150


class Meter:
    """Adds up the processor time of what it wraps, and SQL statements by database."""

    def __init__(self) -> None:
        from sqlalchemy import Engine, event

        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.statements: Counter[str] = Counter()
        event.listen(Engine, "before_cursor_execute", self._statement)

    def _statement(self, connection: Any, *_: Any) -> None:
        self.statements["permissions" if connection.engine.url.database.startswith("auth") else "records"] += 1

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.cpu[name] += time.thread_time() - started

        return wrapped

    def reset(self) -> None:
        self.cpu.clear()
        self.statements.clear()


async def ask(app: Any, request: dict[str, Any]) -> None:
    """One request, to the end of its answer."""
    path, _, query = request["path"].partition("?")
    body = json.dumps(request["body"]).encode() if request["body"] else b""
    headers = {**request["headers"], "content-length": str(len(body)), "content-type": "application/json"}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request["method"],
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("192.0.2.2", 5000),
    }
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    answered = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"{path} answered {message['status']}")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            answered.set()

    await app(scope, receive, send)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stands for MLflow, to see what is before it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def measured(app: Any, request: dict[str, Any], meter: Meter) -> dict[str, float]:
    """Milliseconds of processor time and SQL statements a request."""

    async def once() -> None:
        body = request["body"]
        await ask(app, {**request, "body": {**body, "step": time.time_ns() // 1000} if "step" in body else body})

    for _ in range(WARM_UP):
        await once()
    meter.reset()
    started = time.process_time()
    for _ in range(REQUESTS):
        await once()
    found = {"all": time.process_time() - started, **meter.cpu}
    per_request = {name: seconds * 1000 / REQUESTS for name, seconds in found.items()}
    return per_request | {f"SQL, {name}": count / REQUESTS for name, count in meter.statements.items()}


def as_worker() -> None:
    """Takes over the environment of one of the server's own workers, so that the app is made as theirs."""
    for process in Path("/proc").glob("[0-9]*"):
        if b"spawn_main" in (process / "cmdline").read_bytes():
            entries = (process / "environ").read_bytes().decode().split("\0")
            os.environ.update({name: value for name, equals, value in (e.partition("=") for e in entries) if equals})
            return
    raise RuntimeError("the server has no worker")


def instrument(meter: Meter) -> None:
    """Times what Flask calls before and after each request: the permission engine is of that kind."""
    from mlflow.server import app

    for name, hooks in (("before", app.before_request_funcs), ("after", app.after_request_funcs)):
        hooks[None] = [meter.timed(name, hook) for hook in hooks.get(None, [])]


async def main(server: str, requests: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    if server == "platform":
        from mlflow_platform.server.app import create_app

        app: Any = create_app()
    else:
        from mlflow.server.fastapi_app import app
    meter = Meter()
    instrument(meter)
    found = {name: await measured(app, request, meter) for name, request in requests.items()}
    if server == "platform":
        app.mlflow = nothing
        for name, request in requests.items():
            found[name]["gate"] = (await measured(app, request, meter))["all"]
    return found


if __name__ == "__main__":
    as_worker()
    import uvloop

    print(json.dumps(uvloop.run(main(sys.argv[1], json.loads(sys.argv[2])))))
