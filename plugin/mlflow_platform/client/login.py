"""Logging in and out."""

import sys
import time
from contextlib import suppress
from typing import Literal

from mlflow_platform.client import browser, certificates, device, discovery, sessions, tokens, versions, web
from mlflow_platform.client.addresses import tracking_uri
from mlflow_platform.client.errors import ClientError, NotLoggedIn
from mlflow_platform.client.store import Login, LoginFile

Way = Literal["browser", "device"]


def ensure_logged_in(*, offline: bool = False) -> None:
    """For a notebook or a script: logs in unless a login (or a service's secret) is there and good."""
    server = tracking_uri()
    session = sessions.find(server)
    try:
        if session:
            session.access_token()
            _say(f"Logged in to {server} as {session.username}.")
            return
    except NotLoggedIn:
        pass
    log_in(server, "device" if _in_notebook() else choose_way(), offline=offline)


def log_in(server: str, way: Way, *, offline: bool, ca_file: str | None = None) -> Login:
    """A new login, kept for all processes of this user. Says how, and who it was, on stderr (in a notebook: below).

    `ca_file` is the PEM file of the platform's own authority, which is kept with the login.
    """
    with certificates.trial(server, ca_file) as trial:
        return _log_in(server, way, offline, trial)


def _log_in(server: str, way: Way, offline: bool, trial: certificates.Trial) -> Login:
    platform = discovery.platform(server, trial.trust)
    keycloak = discovery.keycloak(platform)
    flow = browser.log_in if way == "browser" else device.log_in
    got = flow(keycloak, platform.client_id, "openid offline_access" if offline else "openid", _say)
    login = Login(server, platform.issuer, platform.client_id, keycloak.token, keycloak.revocation, got)
    file = LoginFile(server)
    with file.locked():
        replaced = _usable(file)
        trial.keep()
        file.save(login)
    if replaced and _session_of(replaced) != _session_of(login):
        with suppress(ClientError):  # or else it ends by itself, some day
            _end(replaced, trial.trust)
    until = f" until {when(got.session_ends_at)}" if got.session_ends_at else ""
    _say(f"Logged in to {server} as {got.username}{until}.")
    if told := versions.unsuited():  # and no error, for the login is of use to S3 tools and other environments
        _say(told)
    return login


def log_out(server: str) -> bool:
    """Ends the login here and at Keycloak; False where there was none."""
    file = LoginFile(server)
    with file.locked():
        login = file.load()
        if not login:
            return False
        file.remove()
    try:
        _end(login, certificates.trusted(server))
    except ClientError as error:
        raise ClientError(f"The login is removed here, but Keycloak still has it: {error}") from None
    return True


def _end(login: Login, trust: certificates.Trust) -> None:
    """Ends at Keycloak what renews the login's tokens, and no other login of the same user."""
    if not login.tokens.refresh_token:
        return
    form = {"client_id": login.client_id, "token": login.tokens.refresh_token, "token_type_hint": "refresh_token"}
    status, _ = web.post(login.revocation_endpoint, form, trust)
    if status != 200:
        raise ClientError(f"{login.issuer} did not end the login (status {status}).")


def _usable(file: LoginFile) -> Login | None:
    try:
        return file.load()
    except ClientError:
        return None


def _session_of(login: Login) -> tuple[object, bool]:
    """Keycloak's session that a login belongs to; an offline one is apart from the browser's, of the same id or not."""
    return tokens.claims(login.tokens.access_token).get("sid"), login.tokens.session_ends_at is None


def choose_way() -> Way:
    """The browser where one can be opened, else a code; raises NotLoggedIn where nobody is there to log in."""
    if browser.is_there():
        return "browser"
    if sys.stderr.isatty() and sys.stdin.isatty():
        return "device"
    raise NotLoggedIn(
        "There is no browser and no terminal to log in with: run `mlflow-platform login --device` in a terminal, "
        f"or give the job {sessions.CLIENT_ID} and {sessions.CLIENT_SECRET}."
    )


def when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
