"""No user takes the server's memory: long requests end early, and many at once wait."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from mlflow_platform.server.within.bodies import LARGEST, Bodies
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.plugin.conftest import Server

SEARCH = "/api/2.0/mlflow/experiments/search"
GRAPHQL = "/graphql"
MEGABYTE = bytes(1024**2)
OTLP = {"Content-Type": "application/x-protobuf", "X-MLflow-Experiment-Id": "0"}


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // len(MEGABYTE) + 1):
        yield MEGABYTE


@pytest.mark.parametrize("path", [SEARCH, GRAPHQL, "/v1/traces", "/ajax-api/3.0/jobs/search"])
@pytest.mark.parametrize("said", [True, False], ids=["said", "in chunks"])
def test_a_body_that_is_too_long_is_refused_before_it_is_held(server: Server, path: str, said: bool) -> None:
    body = bytes(LARGEST + 1) if said else chunks(LARGEST)
    answer = server.as_member("editors", "POST", path, content=body, headers=OTLP if path == "/v1/traces" else {})
    assert answer.status_code == 413


def test_a_long_batch_is_no_too_long_one(server: Server) -> None:
    filler = "x" * (8 * len(MEGABYTE))
    answer = server.as_member("editors", "POST", SEARCH, json={"max_results": 1, "filler": filler})
    assert answer.status_code in (200, 400)  # whatever MLflow says of it


def sent(bodies: Bodies, *sizes: int, length: str | None = None) -> int:
    """The status that a request of these chunks gets, if the app answers as soon as it has them."""
    messages = [{"type": "http.request", "body": bytes(size), "more_body": True} for size in sizes]
    answered: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        answered.append(message)

    headers = [] if length is None else [(b"content-length", length.encode())]
    asyncio.run(bodies({"type": "http", "headers": headers}, receive, send))
    return answered[0]["status"]


def app(chunks: int = 1) -> ASGIApp:
    """Reads that many chunks, and answers."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(chunks):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return answering


def test_all_bodies_on_their_way_have_one_limit_and_what_has_gone_counts_no_more() -> None:
    others: list[tuple[int, int]] = []

    async def with_others(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        while others:
            size, status = others.pop()
            assert await asyncio.to_thread(sent, bodies, size) == status
        await send({"type": "http.response.start", "status": 200, "headers": []})

    bodies = Bodies(with_others, largest=10, at_once=15)
    for _ in range(3):
        others.extend([(11, 413), (5, 200), (6, 503)])
        assert sent(bodies, 10) == 200


@pytest.mark.parametrize("length", [None, "", "-1", "1e9", "x", "\u0663", "9" * 30])
def test_what_is_no_length_is_counted_as_it_arrives(length: str | None) -> None:
    bodies = Bodies(app(chunks=2), largest=10)
    assert sent(bodies, 5, 5, length=length) == 200
    assert sent(bodies, 5, 6, length=length) == 413


def test_an_app_that_survives_the_end_of_a_long_body_is_not_heard() -> None:
    async def forgiving(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(Exception):
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert sent(Bodies(forgiving, largest=10), 11) == 413
