"""A platform on one loopback port: what it publishes, Keycloak, STS, S3 and MLflow, each able to misbehave."""

import base64
import hashlib
import io
import json
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from requests.structures import CaseInsensitiveDict

from tests.client.object_store import ObjectStore
from tests.client.tls import WebServer


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    form: dict[str, str]
    body: bytes


@dataclass
class Double:
    """Its attributes are its behaviour; `requests` is what it was asked."""

    user: str = "dev"
    session: str = "first"  # Keycloak's, that tokens belong to
    ahead: float = 0.0  # seconds by which its clock is ahead of this machine's
    lifetime: float = 300
    session_life: int = 1800
    down: bool = False  # everything answers 503
    refuses: str = ""  # an OAuth error for every grant
    reason: str = ""  # its description
    device_answers: list[str] = field(default_factory=list)  # errors before the login by code is granted
    device_changes: dict[str, Any] = field(default_factory=dict)
    platform_changes: dict[str, Any] = field(default_factory=dict)
    openid_changes: dict[str, Any] = field(default_factory=dict)
    token_changes: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""  # another than was asked for
    redirect_to: str = ""  # where MLflow's API sends its callers
    moved_to: str = ""  # where everything sends its callers, for good
    accepts: Callable[[str], bool] = lambda authorization: True  # whom MLflow's API lets in
    client_secret: str = "service-secret"
    tls: ssl.SSLContext | None = None  # without it there is no https; a new one is for new connections
    mlflow: str = ""  # the address of a server that answers MLflow's API in its place
    workspaces: list[str] = field(default_factory=list)  # of its user
    run: dict[str, Any] = field(default_factory=dict)  # what MLflow says of each run
    requests: list[Request] = field(default_factory=list)
    handed_out: set[str] = field(default_factory=set)  # everything secret

    def __post_init__(self) -> None:
        self.store = ObjectStore(self.now, self._secret)
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: set[str] = set()
        self._ends: dict[str, float] = {}
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.port = 0
        self.start()

    def start(self) -> None:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                double._connections.add(self.connection)

            def finish(self) -> None:
                double._connections.discard(self.connection)
                super().finish()

            def _handle(self) -> None:
                chunked = self.headers.get("transfer-encoding") == "chunked"
                body = _chunks(self.rfile) if chunked else self.rfile.read(int(self.headers.get("content-length") or 0))
                if self.headers.get("content-encoding") == "aws-chunked":  # over https, with a checksum behind it
                    body = _chunks(io.BytesIO(body))
                status, headers, content = double._answer(
                    self.command, self.path, CaseInsensitiveDict(self.headers.items()), body
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(double.now())

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = _handle

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = WebServer(self.port, Handler, lambda: double.tls)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Nothing listens any more, until the next start on the same port; nor does what was kept alive answer."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):  # its client was first
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/test"

    def now(self) -> float:
        """Seconds since 1970 by its clock, which is that of all its parts."""
        return time.time() + self.ahead

    def asked(self, grant: str) -> int:
        """How often this grant was asked for."""
        return sum(request.form.get("grant_type") == grant for request in self.requests)

    def sts_calls(self) -> int:
        return sum("WebIdentityToken" in request.form for request in self.requests)

    def to(self, prefix: str) -> list[Request]:
        return [request for request in self.requests if request.path.startswith(prefix)]

    def _answer(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        form: dict[str, str] = {}
        if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.requests.append(Request(method, path, headers, form, body))
        if self.down:
            return 503, {}, b"<html>down</html>"
        if self.moved_to:
            return 308, {"location": f"{self.moved_to}{path}"}, b""
        url = urlsplit(path)
        if url.path == "/.well-known/mlflow-platform":
            return _json(200, self._platform())
        if url.path.startswith("/realms/test"):
            return self._keycloak(url.path.removeprefix("/realms/test"), url.query, form)
        if url.path == "/oidc/session":
            if self._is_over(headers.get("Authorization", "")):
                return _json(401, {"error_code": "UNAUTHENTICATED", "message": "Not authenticated: it has expired."})
            return _json(200, {"username": self.user, "workspaces": self.workspaces})
        if url.path.startswith(("/api/", "/v1/")):
            if not self.accepts(headers.get("Authorization", "")):
                return _json(401, {"error_code": "UNAUTHENTICATED"})
            if self._is_over(headers.get("Authorization", "")):
                return _json(401, {"error_code": "UNAUTHENTICATED", "message": "Not authenticated: it has expired."})
            if self.redirect_to:
                return 307, {"location": f"{self.redirect_to}{path}"}, b""
            if self.mlflow:
                return _forwarded(method, f"{self.mlflow}{path}", headers, body)
            return _json(200, {"run": {"info": self.run, "data": {}}, "metrics": []})
        return self.store.sts(form) if "Action" in form else self.store.s3(method, url.path, url.query, headers, body)

    def _platform(self) -> dict[str, Any]:
        document = {
            "issuer": self.issuer,
            "client_id": "mlflow-client",
            "s3_endpoint": self.url,
            "s3_region": "us-east-1",
            "bucket": "mlflow",
            "s3_credentials_seconds": 3600,
        }
        return {**document, **self.platform_changes}

    def _keycloak(self, path: str, query: str, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        if path == "/.well-known/openid-configuration":
            names = {
                "authorization": "auth",
                "device_authorization": "device",
                "token": "token",
                "revocation": "revoke",
            }
            endpoints = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in names.items()}
            return _json(200, {"issuer": self.issuer, **endpoints, **self.openid_changes})
        if path == "/auth":
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            code = self._secret("code")
            self._codes[code] = asked
            back = {"code": code, "state": asked["state"], "iss": self.issuer}
            return 302, {"location": f"{asked['redirect_uri']}?{urlencode(back)}"}, b""
        if path == "/device":
            code = self._secret("device")
            self._codes[code] = form
            page = f"{self.issuer}/activate"
            document = {
                "device_code": code,
                "user_code": "ABCD-EFGH",
                "verification_uri": page,
                "verification_uri_complete": f"{page}?user_code=ABCD-EFGH",
                "expires_in": 600,
                "interval": 5,
            }
            return _json(200, {**document, **self.device_changes})
        if path == "/revoke":
            with self._lock:
                self._refresh_tokens.discard(form["token"])
            return 200, {}, b""
        return self._token(form) if path == "/token" else (404, {}, b"")

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        grant = form["grant_type"]
        if self.refuses:
            return _json(400, {"error": self.refuses, "error_description": self.reason})
        if grant == "client_credentials":
            if form["client_secret"] != self.client_secret:
                return _json(401, {"error": "unauthorized_client"})
            return _json(200, self._tokens(f"service-account-{form['client_id']}", "", False))
        if grant == "refresh_token":
            with self._lock:
                if form["refresh_token"] not in self._refresh_tokens:
                    return _json(400, {"error": "invalid_grant"})
                self._refresh_tokens.remove(form["refresh_token"])  # good for one use
            return _json(200, self._tokens(self.user, "", True))
        if grant.endswith("device_code") and self.device_answers:
            return _json(400, {"error": self.device_answers.pop(0)})
        asked = self._codes.pop(form.get("code") or form["device_code"], {})
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if asked.get("code_challenge") != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
            return _json(400, {"error": "invalid_grant"})
        return _json(200, self._tokens(self.user, asked.get("nonce", ""), True))

    def _tokens(self, user: str, nonce: str, refresh: bool) -> dict[str, Any]:
        now = int(self.now())
        about = {"iss": self.issuer, "sid": self.session, "preferred_username": user}
        claims = {**about, "iat": now, "exp": now + self.lifetime}
        access_token = self._jwt({**claims, "jti": secrets.token_hex(8)})
        self._ends[access_token] = claims["exp"]
        document = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "id_token": self._jwt({**claims, "aud": "mlflow-client", "nonce": self.nonce or nonce}),
        }
        if refresh:
            document |= {"refresh_token": self._secret("refresh"), "refresh_expires_in": self.session_life}
            self._refresh_tokens.add(document["refresh_token"])
        return {**document, **self.token_changes}

    def _is_over(self, authorization: str) -> bool:
        ends = self._ends.get(authorization.removeprefix("Bearer "))
        return ends is not None and ends <= self.now()

    def _jwt(self, claims: dict[str, Any]) -> str:
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
        encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
        return ".".join([*encoded, self._secret("signature")])

    def _secret(self, kind: str) -> str:
        secret = f"{kind}-{secrets.token_hex(12)}"
        self.handed_out.add(secret)
        return secret


def _chunks(stream: io.BufferedIOBase) -> bytes:
    """The content of chunks, up to the empty one and what follows it as headers."""
    content = b""
    while size := int(stream.readline().partition(b";")[0], 16):
        content += stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass
    return content


def _forwarded(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    kind = {"Content-Type": headers.get("Content-Type", "application/json")}
    answer = requests.request(method, url, data=body, headers=kind, timeout=60, allow_redirects=False)
    return answer.status_code, {"content-type": answer.headers.get("content-type", "")}, answer.content


def _json(status: int, document: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json"}, json.dumps(document).encode()
