"""Who this process is at a platform: a person who logged in, or a service with a secret of its own."""

import os
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache

from mlflow_platform.client import discovery, system, tokens, web
from mlflow_platform.client.addresses import InvalidUrl, normalized, server_of
from mlflow_platform.client.certificates import trusted
from mlflow_platform.client.errors import ClientError, NotLoggedIn, Redirected, Unavailable
from mlflow_platform.client.store import Login, LoginFile
from mlflow_platform.client.tokens import Tokens

CLIENT_ID = "MLFLOW_PLATFORM_CLIENT_ID"
CLIENT_SECRET = "MLFLOW_PLATFORM_CLIENT_SECRET"  # noqa: S105 - the variable's name

_AHEAD = 60.0  # seconds before its end at which a token is renewed, or a quarter of its life where that is less
_USABLE = 2.0  # seconds a token must last to be sent at all


class Session(ABC):
    """Access tokens for one tracking server, renewed ahead of their end and through a restart of Keycloak."""

    def __init__(self, tracking_uri: str):
        self.tracking_uri = tracking_uri
        self._next_try = 0.0  # not before: while the token is still good, requests do not wait for Keycloak

    @property
    @abstractmethod
    def username(self) -> str: ...

    @abstractmethod
    def _current(self) -> Tokens | None:
        """What there is; None where the first token is still to be got."""

    @abstractmethod
    def _renew(self, fresh: bool, over: str | None) -> Tokens:
        """New tokens, kept for the next call, unless another thread or process was faster."""

    def access_token(self, *, fresh: bool = False, over: str | None = None) -> str:
        """A token that is good now; a fresh one has at least three quarters of its life before it.

        It is another than the one that a server has just called `over`, whatever the times say: the file may be of a
        version that kept them by a wrong clock, and this process may not have heard the time yet.
        """
        return web.patiently(lambda: self._good_token(fresh, over))

    def _good_token(self, fresh: bool, over: str | None) -> str:
        current = self._current()
        if current and not is_due(current, fresh, over):
            return current.access_token
        usable = current is not None and current.access_token != over and current.remaining() > _USABLE
        if current and usable and time.monotonic() < self._next_try:
            return current.access_token
        try:
            return self._renew(fresh, over).access_token
        except Unavailable:
            self._next_try = time.monotonic() + web.LONGEST_PAUSE
            if current and usable:
                return current.access_token
            raise


class LoginSession(Session):
    """A person's; all of her processes share one file, and with it one refresh."""

    def __init__(self, tracking_uri: str):
        super().__init__(tracking_uri)
        self._file = LoginFile(tracking_uri)

    @property
    def username(self) -> str:
        return self.login().tokens.username

    def exists(self) -> bool:
        return self._file.load() is not None

    def login(self) -> Login:
        login = self._file.load()
        if not login:
            raise NotLoggedIn(f"You are not logged in to {self.tracking_uri}; run `mlflow-platform login`.")
        return login

    def _current(self) -> Tokens:
        return self.login().tokens

    def _renew(self, fresh: bool, over: str | None) -> Tokens:
        with self._file.locked():
            login = self.login()
            if not is_due(login.tokens, fresh, over):
                return login.tokens
            renewed = self._refreshed(login)
            self._file.save(replace(login, tokens=renewed))
            return renewed

    def _refreshed(self, login: Login) -> Tokens:
        ended = f"Your login to {self.tracking_uri} has ended; run `mlflow-platform login`."
        if not login.tokens.refresh_token:
            raise NotLoggedIn(ended)
        form = {
            "grant_type": "refresh_token",
            "client_id": login.client_id,
            "refresh_token": login.tokens.refresh_token,
        }
        try:
            renewed = tokens.parse(tokens.ask(login.token_endpoint, form, trusted(self.tracking_uri)))
        except tokens.Refused as refused:
            if refused.code == "invalid_grant":
                raise NotLoggedIn(ended) from None
            raise
        except Redirected as elsewhere:
            raise NotLoggedIn(
                f"{elsewhere} Set MLFLOW_TRACKING_URI to the platform's new address and run `mlflow-platform login`."
            ) from None
        if renewed.username != login.tokens.username:
            raise ClientError("Keycloak renewed the login for another user, so it was not accepted; log in again.")
        return renewed if renewed.refresh_token else replace(renewed, refresh_token=login.tokens.refresh_token)


class ServiceSession(Session):
    """A service client's, by its own secret; the token stays in this process's memory."""

    def __init__(self, tracking_uri: str, client_id: str, secret: str):
        super().__init__(tracking_uri)
        self._client_id, self._secret = client_id, secret
        self._tokens: Tokens | None = None
        self._keycloak: discovery.Keycloak | None = None
        self._lock = threading.Lock()

    @property
    def username(self) -> str:
        self.access_token()
        assert self._tokens
        return self._tokens.username

    def _current(self) -> Tokens | None:
        return self._tokens

    def _renew(self, fresh: bool, over: str | None) -> Tokens:
        with self._lock:
            if self._tokens and not is_due(self._tokens, fresh, over):
                return self._tokens
            keycloak = self._keycloak = self._keycloak or discovery.keycloak(discovery.platform(self.tracking_uri))
            credentials = {"client_id": self._client_id, "client_secret": self._secret}
            try:
                form = {"grant_type": "client_credentials", "scope": "openid", **credentials}
                answer = tokens.ask(keycloak.token, form, keycloak.trust)
            except tokens.Refused as refused:
                raise ClientError(f"Keycloak does not take {CLIENT_ID} and {CLIENT_SECRET} ({refused.code}).") from None
            self._tokens = tokens.parse(answer)
            return self._tokens


def is_due(current: Tokens, fresh: bool = False, over: str | None = None) -> bool:
    """Whether it is time to renew."""
    left = 0.75 * current.lifetime if fresh else min(_AHEAD, current.lifetime / 4)
    return current.access_token == over or current.remaining() <= left


def find(url: str) -> Session | None:
    """This process's session at a tracking server; None for anything that is not a platform with a login."""
    try:
        server = normalized(url)
    except InvalidUrl:
        return None
    session = service(server) or _login_session(server)
    return session if isinstance(session, ServiceSession) or session.exists() else None


def service(server: str) -> ServiceSession | None:
    """The service's session, where the environment has a service client for this server."""
    client_id, secret = os.environ.get(CLIENT_ID), os.environ.get(CLIENT_SECRET)
    if server_of(server) != server or not (client_id or secret):  # the secret is for the server that it was set with
        return None
    if not client_id or not secret:
        raise ClientError(f"{CLIENT_ID} and {CLIENT_SECRET} must be set together, and one of them is not.")
    return _service_session(server, client_id, secret)


@lru_cache
def _login_session(server: str) -> LoginSession:
    return LoginSession(server)


@lru_cache
def _service_session(server: str, client_id: str, secret: str) -> ServiceSession:
    return ServiceSession(server, client_id, secret)


system.here.after_fork(_service_session.cache_clear)
