"""Handshakes with one gateway: run in the client's container, prints how many there were.

`shaking.py ADDRESS PORT NAME AUTHORITY 1.2|1.3 full|resumed COUNT`; a resumed one says what an earlier one was given,
and one that the gateway did not take up is an error.
"""

import socket
import ssl
import sys

_REQUEST = "GET /minio/health/live HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"


def shake(
    context: ssl.SSLContext, address: tuple[str, int], name: str, session: ssl.SSLSession | None, *, ask: bool
) -> ssl.SSLSocket:
    """With `ask`, a request follows: TLS 1.3 says only after the handshake how to resume."""
    connected = context.wrap_socket(socket.create_connection(address), server_hostname=name, session=session)
    if ask:
        connected.sendall(_REQUEST.format(name=name).encode())
        while connected.recv(65536):
            pass
    return connected


def main(host: str, port: str, name: str, ca_file: str, version: str, kind: str, count: str) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, f"TLSv{version.replace('.', '_')}")
    address, session = (host, int(port)), None
    if kind == "resumed":
        with shake(context, address, name, None, ask=True) as first:
            session = first.session
    for _ in range(int(count)):
        with shake(context, address, name, session, ask=False) as connected:
            if connected.session_reused != (kind == "resumed"):
                raise SystemExit(f"A handshake that was to be {kind} was not.")
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
