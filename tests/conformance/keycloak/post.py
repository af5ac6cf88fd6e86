"""A mail server of a test's own."""

import base64
import email
import email.policy
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Post:
    """What clients sent: all lines before a message, who logged in with which password, and the messages."""

    port: int = 0
    said: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def text(message: str) -> str:
    """What it says to whoever reads it without HTML."""
    plain = email.message_from_string(message, policy=email.policy.default).get_body(("plain",))
    assert plain, message
    return plain.get_content()


def link(message: str) -> str:
    """The one by which whoever got it goes on."""
    (found,) = re.findall(r"http\S+/login-actions/action-token\?key=\S+", text(message))
    return found


@contextmanager
def post_office(address: str, tls: ssl.SSLContext | None = None) -> Iterator[Post]:
    """A server at an address of this machine, with TLS from the first byte or, without a context, none at all."""
    post = Post()
    with socket.create_server((address, 0)) as listening:
        post.port = listening.getsockname()[1]
        threading.Thread(target=_serve, args=(listening, tls, post), daemon=True).start()
        yield post


def _serve(listening: socket.socket, tls: ssl.SSLContext | None, post: Post) -> None:
    with suppress(OSError):  # the test is over
        while True:
            connection, _ = listening.accept()
            with suppress(OSError), connection:  # whoever does not like the certificate goes
                connection.settimeout(30)
                _talk(tls.wrap_socket(connection, server_side=True) if tls else connection, post)


def _talk(connection: socket.socket, post: Post) -> None:
    lines = connection.makefile("rb")

    def answer(text: str) -> str:
        connection.sendall(f"{text}\r\n".encode())
        return lines.readline().decode().strip()

    said = answer("220 a test's")
    while said:
        post.said.append(said)
        match said.split()[0].upper():
            case "EHLO":
                said = answer("250-a test's\r\n250 AUTH LOGIN")
            case "AUTH":
                user, password = answer("334 VXNlcm5hbWU6"), answer("334 UGFzc3dvcmQ6")
                post.logins.append((base64.b64decode(user).decode(), base64.b64decode(password).decode()))
                said = answer("235 welcome")
            case "DATA":
                message = [answer("354 go on")]
                while message[-1] != ".":
                    message.append(lines.readline().decode().rstrip("\r\n"))
                post.messages.append("\n".join(message[:-1]))
                said = answer("250 taken")
            case "QUIT":
                return
            case _:
                said = answer("250 fine")
