"""Requests take turns, slow ones keep nobody out, and no turn is lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from mlflow_platform.server.settings import SettingsError
from mlflow_platform.server.within.turns import Turns, take_turns
from starlette.types import Receive, Scope, Send


class App:
    """Its requests stay until they are told to end."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.within = 0
        self.end = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.append(scope["number"])
        self.within += 1
        try:
            await self.end.wait()
            if scope.get("fails"):
                raise ValueError("the app's own")
        finally:
            self.within -= 1


async def receive() -> Any:
    raise AssertionError("nobody reads")


async def send(message: Any) -> None:
    raise AssertionError("nobody answers")


def ask(turns: Turns, number: int, **more: Any) -> asyncio.Task[None]:
    return asyncio.create_task(turns({"type": "http", "number": number, **more}, receive, send))


async def settled(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not met():
            await asyncio.sleep(0.001)


def run(test: Callable[[App], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(App())

    asyncio.run(main())


async def two_at_once(turns: Turns, app: App, requests: int) -> None:
    """Fails unless just two of them are let in, and the others in order when those have ended."""
    asked = [ask(turns, number) for number in range(requests)]
    await settled(lambda: app.within == 2)
    await asyncio.sleep(0.02)
    assert app.begun == [0, 1]
    app.end.set()
    await asyncio.gather(*asked)
    assert app.begun == list(range(requests))


def test_a_few_are_within_and_the_others_follow_in_order() -> None:
    async def test(app: App) -> None:
        await two_at_once(Turns(app, at_once=2, longest=60), app, 6)

    run(test)


def test_slow_ones_keep_nobody_out() -> None:
    async def test(app: App) -> None:
        turns = Turns(app, at_once=2, longest=0.01)
        requests = [ask(turns, number) for number in range(50)]
        await settled(lambda: app.within == 50)
        app.end.set()
        await asyncio.gather(*requests)
        await still_two(turns, app)

    run(test)


@pytest.mark.parametrize("longest", [0.01, 60])
def test_a_turn_comes_back_once_after_an_error_or_a_broken_connection(longest: float) -> None:
    async def test(app: App) -> None:
        turns = Turns(app, at_once=2, longest=longest)
        requests = [ask(turns, number, fails=number % 2) for number in range(6)]
        await settled(lambda: app.within >= 2)
        for request in requests[4:]:
            request.cancel()  # in the app, or still waiting for a turn
        app.end.set()
        ends = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(end) for end in ends[:4]] == [type(None), ValueError] * 2
        assert {type(end) for end in ends[4:]} == {asyncio.CancelledError}
        await still_two(turns, app)

    run(test)


async def still_two(turns: Turns, app: App) -> None:
    app.end.clear()
    app.begun.clear()
    turns._longest = 60
    await two_at_once(turns, app, 3)


def test_only_what_is_mounted_for_the_rest_takes_turns() -> None:
    async def test(app: App) -> None:
        made = FastAPI()
        made.get("/native")(lambda: "here")
        made.mount("/", app)
        take_turns(made)
        (mount,) = (route for route in made.routes if getattr(route, "app", None).__class__ is Turns)
        mount.app._free = asyncio.Semaphore(0)  # pyright: ignore[reportAttributeAccessIssue]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://here") as http:
            assert (await http.get("/native")).json() == "here"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(http.get("/flask"), 0.05)
        assert app.begun == []

    run(test)


def test_an_mlflow_without_that_mount_does_not_start() -> None:
    with pytest.raises(SettingsError, match="mount"):
        take_turns(FastAPI())
