"""Logins on the disk: one file per server, for the user's eyes only, shared by all of her processes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from filelock import FileLock, Timeout

from mlflow_platform.client import tokens
from mlflow_platform.client.addresses import normalized, origin
from mlflow_platform.client.errors import ClientError, Unavailable
from mlflow_platform.client.private import PrivateFile
from mlflow_platform.client.tokens import Tokens

_MAX_FILE = 256 * 1024
_LOCK_SECONDS = 60  # what a refresh takes at most, with all time-outs


@dataclass(frozen=True, repr=False)
class Login:
    """Tokens and what they are bound to: got for this tracking server, from this issuer, by this client."""

    tracking_uri: str
    issuer: str
    client_id: str
    token_endpoint: str
    revocation_endpoint: str
    tokens: Tokens


class LoginFile:
    """The file of one server's login."""

    def __init__(self, tracking_uri: str):
        self._tracking_uri = tracking_uri
        self._file = PrivateFile(tracking_uri, "json", "login", _MAX_FILE)
        self.path = self._file.path

    def load(self) -> Login | None:
        """The login; None where there is none."""
        content = self._file.read()
        if content is None:
            return None
        try:
            login = _parse(json.loads(content))
        except (ValueError, TypeError, KeyError, RecursionError, ClientError):
            raise self._file.unusable("its content is damaged") from None
        if login.tracking_uri != self._tracking_uri:
            raise self._file.unusable("it belongs to another server")
        return login

    def save(self, login: Login) -> None:
        """Replaces the file as a whole: a reader sees the old one or the new one."""
        with self._file.replacement(json.dumps({"version": 1, **asdict(login)}).encode()) as new:
            self._file.put(new)

    def remove(self) -> None:
        self._file.remove()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes of the user; the kernel frees the lock of one that dies."""
        lock = FileLock(self._file.made_folder() / f"{self.path.name}.lock", mode=0o600)
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise Unavailable(f"Another process has held {lock.lock_file} for {_LOCK_SECONDS} s.") from None
        try:
            yield
        finally:
            lock.release()


def _parse(document: Any) -> Login:
    """Raises one of several errors for whatever is not a file of ours."""
    if not isinstance(document, dict) or document.pop("version") != 1:
        raise ValueError
    login = Login(**{**document, "tokens": Tokens(**document["tokens"])})
    if not all(isinstance(text, str) for text in (login.issuer, login.client_id)):
        raise TypeError
    tokens.check(login.tokens)
    for endpoint in (login.token_endpoint, login.revocation_endpoint):
        if origin(normalized(endpoint)) != origin(normalized(login.issuer)):
            raise ValueError
    return login
