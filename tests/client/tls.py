"""Certificates with every fault, and a server that writes down whatever it is sent."""

import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.authority import Pair, leaf

DAY = timedelta(days=1)


def certificate(
    issuer: Pair | None, names: tuple[str, ...] = ("localhost", "127.0.0.1"), start: int = -1, end: int = 1
) -> Pair:
    """A server's, valid from and until so many days from now; without an issuer it has signed itself."""
    return leaf(issuer, names, since=datetime.now(UTC) + start * DAY, life=(end - start) * DAY)


class WebServer(ThreadingHTTPServer):
    """One on loopback, of https for each connection that begins while there is a context."""

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], context: Callable[[], ssl.SSLContext | None]):
        self._context = context
        super().__init__(("127.0.0.1", port), handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if context := self._context():  # the handshake is the handler's, in its own thread
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # else its client hung up, or does not trust us
            super().handle_error(request, client_address)


@contextmanager
def listening(port: int, context: ssl.SSLContext | None, answer: bytes = b"") -> Iterator[bytearray]:
    """All that arrives at this port inside of TLS, or in the clear where there is no context; then the answer.

    Of what arrives in the clear a handshake is left out: it asks for the name, and says nothing else.
    """
    received = bytearray()
    server = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        with suppress(OSError):  # closed below
            while True:
                connection, _ = server.accept()
                connection.settimeout(5)
                with suppress(OSError), connection:
                    _receive(connection, context, answer, received)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def _receive(connection: socket.socket, context: ssl.SSLContext | None, answer: bytes, received: bytearray) -> None:
    inner = context.wrap_socket(connection, server_side=True) if context else connection
    with inner:
        got = inner.recv(65536)
        if not got.startswith(b"\x16\x03"):
            received.extend(got)
            inner.settimeout(0.2)
            with suppress(TimeoutError):  # until nothing more comes
                while got := inner.recv(65536):
                    received.extend(got)
        inner.sendall(answer)
