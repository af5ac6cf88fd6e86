"""Authorities, certificates of theirs with every fault, and a server that writes down whatever it is sent."""

import ipaddress
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def context(self) -> ssl.SSLContext:
        """A server's, that shows this certificate."""
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.pem + self.key_pem)
            file.flush()
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(file.name)
        return context


def authority(name: str = "An authority") -> Certificate:
    return _signed(name, None, [], -DAY, DAY)


def certificate(
    issuer: Certificate | None, names: tuple[str, ...] = ("localhost", "127.0.0.1"), start: int = -1, end: int = 1
) -> Certificate:
    """A server's, valid from and until so many days from now; without an issuer it has signed itself."""
    return _signed("A server", issuer, [_general(name) for name in names], start * DAY, end * DAY)


def _signed(
    name: str, issuer: Certificate | None, names: list[x509.GeneralName], start: timedelta, end: timedelta
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signer = issuer.key if issuer else key
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder(subject_name=subject, public_key=key.public_key())
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Certificate(builder.sign(signer, hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


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
