"""Clients that keep coming while a certificate changes, and transfers that are under way meanwhile."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.images.acme import MLFLOW, key_of, served


@dataclass
class Handshakes:
    """What many new connections saw, each with a request of its own."""

    total: int = 0
    failures: list[str] = field(default_factory=list)
    serials: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)


@contextmanager
def handshakes(port: int, clients: int = 4, pause: float = 0.02) -> Iterator[Handshakes]:
    """One handshake after another per client, until the block ends; `pause` is in seconds."""
    seen, lock, over = Handshakes(), threading.Lock(), threading.Event()

    def knock() -> None:
        while not over.wait(pause):
            certificate, failure = None, None
            try:
                certificate = served(port)
            except (OSError, AssertionError) as error:
                failure = repr(error)
            with lock:
                seen.total += 1
                if failure:
                    seen.failures.append(failure)
                if certificate:
                    seen.serials.add(certificate.serial_number)
                    seen.keys.add(key_of(certificate))

    threads = [threading.Thread(target=knock) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def download_slowly(port: int, connections: int) -> list[int]:
    """The length of each body of as many downloads at once."""

    async def download() -> int:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=MLFLOW)
        writer.write(f"GET /slow HTTP/1.0\r\nHost: {MLFLOW}\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(-1)
        writer.close()
        return len(body)

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(download() for _ in range(connections)))

    return asyncio.run(all_of_them())
