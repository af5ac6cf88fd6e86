"""A closed loop of HTTP requests: how many a server answers, and how fast.

One process, one event loop: uvloop and httptools (both C) cost it some 50 µs a request, where MLflow takes several
milliseconds of two processes; `Round.busy` says how much of one core it took. wrk would take less, but must be
installed, cannot tell a wrong answer from a right one, and runs Lua for every request whose body is to differ.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from json import dumps
from typing import Any, cast

import httptools
import uvloop

GRACE = 30.0  # seconds after its end by which a round must have its last answers
# A server's workers share out connections by chance; a new one every so often evens that out, at 1% of the cost.
REQUESTS_PER_CONNECTION = 25


class WrongAnswer(Exception):
    """A server answered something else than 200, so its figures would say nothing."""


@dataclass
class Round:
    """What one server did with one load."""

    seconds: float = 0
    busy: float = 0  # this client's share of one core
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def request(host: str, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> bytes:
    """A request as it goes over the wire."""
    content = b"" if body is None else dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass(frozen=True)
class Tls:
    """With whom a connection is encrypted: the name that it asks for, and what it believes."""

    name: str
    context: ssl.SSLContext


class _Connection(asyncio.Protocol):
    """Sends its next request once it has the whole answer to the last."""

    def __init__(self, make: Callable[[], bytes], until: float, latencies: list[float]):
        self._make = make
        self._until = until
        self._latencies = latencies
        self._left = REQUESTS_PER_CONNECTION
        self._error = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() != 200:
            self._error += body[:300]

    def on_message_complete(self) -> None:
        latency = time.perf_counter() - self._sent
        status = self._parser.get_status_code()
        if status != 200:
            self._end(WrongAnswer(f"status {status}: {self._error.decode(errors='replace')}"))
        else:
            self._latencies.append(latency)
            # Later, for the parser must not be replaced from within itself.
            asyncio.get_running_loop().call_soon(self._next)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(WrongAnswer("the server closed the connection"))

    def _next(self) -> None:
        if self._left == 0 or time.perf_counter() >= self._until:
            self._end(None)
            return
        self._left -= 1
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        self._transport.write(self._make())

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
            self._transport.close()


async def _client(
    address: tuple[str, int], make: Callable[[], bytes], until: float, latencies: list[float], tls: Tls | None
) -> None:
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"ssl": tls.context, "server_hostname": tls.name} if tls else {}
    while time.perf_counter() < until:
        _, connection = await loop.create_connection(lambda: _Connection(make, until, latencies), *address, **options)
        await connection.done


async def _load(
    address: tuple[str, int], make: Callable[[int], bytes], clients: int, seconds: float, tls: Tls | None
) -> Round:
    result = Round()
    started, busy = time.perf_counter(), time.process_time()
    async with asyncio.timeout(seconds + GRACE), asyncio.TaskGroup() as group:
        for number in range(clients):
            turn = partial(make, number)
            group.create_task(_client(address, turn, started + seconds, result.latencies, tls))
    result.seconds = time.perf_counter() - started
    result.busy = (time.process_time() - busy) / result.seconds
    return result


def load(
    address: tuple[str, int], make: Callable[[int], bytes], clients: int, seconds: float, tls: Tls | None = None
) -> Round:
    """Asks for so long with so many clients at once; `make` gives each client, by its number, its next request."""
    return uvloop.run(_load(address, make, clients, seconds, tls))
