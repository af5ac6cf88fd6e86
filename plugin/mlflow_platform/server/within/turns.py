"""Few Flask requests at a time: the threads of one Python process mostly keep one another from working."""

import asyncio

from fastapi import FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from mlflow_platform.server.settings import SettingsError

AT_ONCE = 4  # in each worker: 16 at once cost each request a quarter more processor time, and twice the p99
LONGEST = 0.2  # seconds for which a request counts: one that takes longer waits for somebody else, not for Python


def take_turns(app: FastAPI) -> None:
    """Puts turns before what runs in threads: Flask, which MLflow (3.17.2) mounts below all native routes.

    Raises SettingsError where it is not there.
    """
    mounts = [route for route in app.routes if isinstance(route, Mount) and not route.path]
    if len(mounts) != 1:
        raise SettingsError("MLflow has another way to its Flask app than a mount for all that is left")
    mounts[0].app = Turns(mounts[0].app)


class Turns:
    """Lets requests in in the order they came, a few together.

    MLflow runs each in a thread, up to 40 in a worker, all of which need Python's one lock. A request that is still
    there after `longest` seconds (it reads a large artifact, calls a model, searches for long) gives its turn to the
    next, so that however many slow ones there are, they keep nobody out.
    """

    def __init__(self, app: ASGIApp, at_once: int = AT_ONCE, longest: float = LONGEST):
        self.app = app
        self._free = asyncio.Semaphore(at_once)
        self._longest = longest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._free.acquire()
        given_back = False

        def give_back() -> None:
            nonlocal given_back
            if not given_back:
                given_back = True
                self._free.release()

        timer = asyncio.get_running_loop().call_later(self._longest, give_back)
        try:
            await self.app(scope, receive, send)
        finally:
            timer.cancel()
            give_back()
