"""Logins on the disk: one file per server, for the user's eyes only, shared by all of her processes."""

import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from mlflow_platform.client import tokens
from mlflow_platform.client.addresses import normalized, origin
from mlflow_platform.client.errors import ClientError, Unavailable
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
    """The file of one server's login. What others could have written is never trusted."""

    def __init__(self, tracking_uri: str):
        self._tracking_uri = tracking_uri
        name = re.sub(r"[^\w.-]", "_", urlsplit(tracking_uri).netloc, flags=re.ASCII)
        digest = hashlib.sha256(tracking_uri.encode()).hexdigest()[:16]
        self.path = user_state_path("mlflow-platform", appauthor=False) / f"{name}-{digest}.json"

    def load(self) -> Login | None:
        """The login; None where there is none."""
        try:
            self.path.lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None  # a state directory that is not ours, as in a container, holds no login of ours either
        try:
            self._check(self.path.parent.lstat(), self.path.parent, stat.S_ISDIR)
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error.strerror or "it cannot be opened") from None
        try:
            self._check(os.fstat(descriptor), self.path, stat.S_ISREG)
            content = os.read(descriptor, _MAX_FILE)
        finally:
            os.close(descriptor)
        try:
            login = _parse(json.loads(content))
        except (ValueError, TypeError, KeyError, RecursionError, ClientError):
            raise self._unusable("its content is damaged") from None
        if login.tracking_uri != self._tracking_uri:
            raise self._unusable("it belongs to another server")
        return login

    def save(self, login: Login) -> None:
        """Replaces the file as a whole: a reader sees the old one or the new one."""
        folder = self._folder()
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=folder)  # 0600 from the start
        unfinished = Path(name)
        try:
            with open(descriptor, "w") as file:  # noqa: PTH123
                json.dump({"version": 1, **asdict(login)}, file)
                file.flush()
                os.fsync(descriptor)
            unfinished.replace(self.path)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes of the user; the kernel frees the lock of one that dies."""
        lock = FileLock(self._folder() / f"{self.path.name}.lock", mode=0o600)
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise Unavailable(f"Another process has held {lock.lock_file} for {_LOCK_SECONDS} s.") from None
        try:
            yield
        finally:
            lock.release()

    def _folder(self) -> Path:
        folder = self.path.parent
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._check(folder.lstat(), folder, stat.S_ISDIR)
        return folder

    def _check(self, found: os.stat_result, path: Path, kind: Any) -> None:
        if not kind(found.st_mode):
            raise self._unusable(f"{path} is a link, or no regular file or directory")
        if found.st_uid != os.geteuid():
            raise self._unusable(f"{path} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise self._unusable(f"{path} is open to others (chmod go= {path})")

    def _unusable(self, reason: str) -> ClientError:
        return ClientError(f"The login in {self.path} is not used: {reason}; remove it and log in again.")


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
