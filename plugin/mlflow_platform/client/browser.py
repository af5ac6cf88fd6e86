"""Login in a browser on this machine: code flow with PKCE, ending at a port of loopback (RFC 8252)."""

import base64
import hashlib
import hmac
import os
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

from mlflow_platform.client import tokens
from mlflow_platform.client.discovery import Keycloak
from mlflow_platform.client.errors import ClientError, NotLoggedIn
from mlflow_platform.client.tokens import Tokens

_WAIT = 300.0  # seconds for a person to log in
_PAGE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>MLflow platform</title>"
    "<body style='font:1.1rem system-ui,sans-serif;margin:15vh auto;max-width:32rem'><h1>{title}</h1><p>{text}</p>"
)


def is_there() -> bool:
    """Whether a browser can be opened; not one that would take over the terminal."""
    if os.environ.get("BROWSER"):
        return True
    graphical = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    try:
        return bool(graphical and webbrowser.get())
    except webbrowser.Error:
        return False


def log_in(keycloak: Keycloak, client_id: str, scope: str, say: Callable[[str], None], wait: float = _WAIT) -> Tokens:
    """Opens the browser and waits until somebody has logged in there."""
    attempt = Attempt(keycloak, client_id, scope)
    server = _Loopback(attempt)
    try:
        say("Opening your browser to log in. (If none opens: mlflow-platform login --device)")
        if not webbrowser.open(server.start_url):
            raise ClientError("No browser could be opened; run `mlflow-platform login --device`.")
        if not attempt.ended.wait(wait):
            raise NotLoggedIn(f"Nobody logged in within {wait:.0f} s.")
    finally:
        server.close()
    return attempt.tokens(server.redirect_uri)


def challenge(verifier: str) -> str:
    """PKCE's S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _random() -> str:
    return secrets.token_urlsafe(32)


@dataclass(repr=False)
class Attempt:
    """One login: what only this process knows of it, and how it ended."""

    keycloak: Keycloak
    client_id: str
    scope: str
    state: str = field(default_factory=_random)
    nonce: str = field(default_factory=_random)
    verifier: str = field(default_factory=_random)
    start: str = field(default_factory=_random)
    started: bool = False
    code: str = ""
    problem: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def authorization_url(self, redirect_uri: str) -> str:
        question = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": self.scope,
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": challenge(self.verifier),
            "code_challenge_method": "S256",
        }
        return f"{self.keycloak.authorization}?{urlencode(question)}"

    @property
    def over(self) -> bool:
        return bool(self.code or self.problem)

    def opened(self) -> bool:
        """Whether this is the first to follow the start address. A second could be somebody who saw it in `ps`."""
        if self.started and not self.over:
            self.problem = "The login page was opened twice, which could be somebody else; log in again."
        first, self.started = not self.started, True
        return first

    def answered(self, answer: dict[str, list[str]]) -> bool:
        """Takes what the browser brings back; False for what does not belong to this login, which goes on."""
        state = _one(answer, "state").encode()
        if not self.started or self.over or not hmac.compare_digest(state, self.state.encode()):
            return False
        if "iss" in answer and _one(answer, "iss") != self.keycloak.issuer:  # RFC 9207: a mix-up of two issuers
            self.problem = "The browser came back from another issuer; log in again."
        elif "error" in answer or not _one(answer, "code"):
            denied = _one(answer, "error") == "access_denied"
            self.problem = "The login was refused." if denied else "Keycloak did not log you in; try again."
        else:
            self.code = _one(answer, "code")
        return True

    def tokens(self, redirect_uri: str) -> Tokens:
        if self.problem:
            raise NotLoggedIn(self.problem)
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": self.code,
            "redirect_uri": redirect_uri,
            "code_verifier": self.verifier,
        }
        try:
            answer = tokens.ask(self.keycloak.token, form, self.keycloak.trust)
        except tokens.Refused as refused:
            raise NotLoggedIn(f"Keycloak does not accept this login ({refused.code}); log in again.") from None
        issuer = self.keycloak.issuer
        tokens.check_identity(answer.get("id_token"), issuer=issuer, client_id=self.client_id, nonce=self.nonce)
        return tokens.parse(answer)


def _parameters(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, max_num_fields=20)
    except ValueError:
        return {}


def _one(answer: dict[str, list[str]], name: str) -> str:
    values = answer.get(name, [])
    return values[0] if len(values) == 1 else ""


class _Loopback:
    """The web server of one attempt. Any page in the browser can talk to it, so it takes nothing but the two addresses.

    The browser is started with an address that says nothing, since everybody on the machine can read its command line;
    what Keycloak is asked, and with it the state, is handed out once.
    """

    def __init__(self, attempt: Attempt):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10
            server_version, sys_version = "mlflow-platform", ""

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                pass  # its lines would hold codes

        self._attempt = attempt
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._host = f"127.0.0.1:{self._server.server_port}"
        self.redirect_uri = f"http://{self._host}/callback"
        self.start_url = f"http://{self._host}/{attempt.start}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        if request.headers.get_all("Host") != [self._host]:  # a name that somebody pointed at this machine
            self._page(request, 400, "Not here", "This address belongs to a login on this machine.")
        elif hmac.compare_digest(path.encode(), f"/{self._attempt.start}".encode()):
            if self._attempt.opened():
                self._redirect(request, self._attempt.authorization_url(self.redirect_uri))
            else:
                self._page(request, 403, "Not logged in", "This address works once. Log in again.")
        elif path != "/callback":
            self._page(request, 404, "Not here", "There is nothing at this address.")
        elif not self._attempt.answered(_parameters(query)):
            self._page(request, 403, "Not logged in", "This answer belongs to no login that is under way here.")
        elif self._attempt.problem:
            self._page(request, 200, "Not logged in", self._attempt.problem)
        else:
            self._page(request, 200, "Almost done", "You can close this page and go back to where you started.")
        if self._attempt.over:
            self._attempt.ended.set()  # only now: the process may end with it, and the page be lost

    def _redirect(self, request: BaseHTTPRequestHandler, url: str) -> None:
        request.send_response(302)
        request.send_header("Location", url)
        self._end(request, b"")

    def _page(self, request: BaseHTTPRequestHandler, status: int, title: str, text: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "text/html; charset=utf-8")
        request.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self._end(request, _PAGE.format(title=title, text=text).encode())

    def _end(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Cache-Control", "no-store")
        request.send_header("Referrer-Policy", "no-referrer")
        request.end_headers()
        request.wfile.write(body)
