"""A realm and an object store's STS, small enough to attack with: real keys, real HTTP, every claim changeable."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.plugin.web_logins import WEB_CLIENT_SECRET, WebLogins

MISSING = object()
CERTS = "/realms/test/protocol/openid-connect/certs"
AUTH = "/realms/test/protocol/openid-connect/auth?"
LOGOUT = "/realms/test/protocol/openid-connect/logout?"
FORM = "<!doctype html><title>Keycloak</title><form method=post><button>Continue</button></form>"
TOKEN = "/realms/test/protocol/openid-connect/token"


class Realm:
    """Issues tokens as Keycloak does, and publishes the keys they are signed with."""

    issuer = "http://keycloak.example/realms/test"

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})]
        self.answers = True
        self.asked = 0
        self.passwords: dict[str, str] = {}
        self.password_forms: list[dict[str, str]] = []
        self.web = WebLogins(self)

    def jwks(self) -> dict[str, Any]:
        encryption = {**self.keys[0].as_dict(private=False), "kid": "enc", "use": "enc", "alg": "RSA-OAEP"}
        return {"keys": [encryption, *(key.as_dict(private=False) for key in self.keys)]}

    def rotate(self, kid: str) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}), *self.keys]

    def claims(self, user: str = "ada", groups: Any = ("editors",), **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": ["mlflow", "minio", "account"],
            "sub": f"id-of-{user}",
            "typ": "Bearer",
            "azp": "mlflow-client",
            "preferred_username": user,
            "groups": list(groups) if isinstance(groups, tuple) else groups,
            "policy": ["readwrite"],
            "iat": now,
            "exp": now + 300,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not MISSING}

    def token(self, user: str = "ada", groups: Any = ("editors",), **changes: Any) -> str:
        return self.sign(self.claims(user, groups, **changes))

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The token endpoint's answer to a password, with Keycloak's own words."""
        self.password_forms.append(form)
        if not self.answers:
            return 502, {}
        if (form.get("grant_type"), form.get("client_id"), form.get("client_secret")) != (
            "password",
            "mlflow",
            WEB_CLIENT_SECRET,
        ):
            return 401, {"error": "unauthorized_client", "error_description": "Invalid client credentials"}
        if form["username"] == "disabled":
            return 400, {"error": "invalid_grant", "error_description": "Account disabled"}
        if self.passwords.get(form["username"]) != form["password"]:
            return 400, {"error": "invalid_grant", "error_description": "Invalid user credentials"}
        return 200, {"access_token": self.token(form["username"], azp="mlflow"), "token_type": "Bearer"}

    def sign(self, claims: dict[str, Any], key: Any = None, **header: Any) -> str:
        key = key or self.keys[0]
        full = {"alg": "RS256", "typ": "JWT", "kid": key.kid, **header}
        return jwt.encode(full, claims, key, algorithms=[full["alg"]])


class Sts:
    """Answers AssumeRoleWithWebIdentity; `mode` makes it fail in MinIO's ways."""

    def __init__(self) -> None:
        self.mode = "well"
        self.forms: list[dict[str, str]] = []

    def answer(self, body: bytes) -> tuple[int, str]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.forms.append(form)
        if self.mode == "hang":
            time.sleep(6)
        if self.mode == "broken":
            return 500, "not xml"
        if self.mode != "well":
            return 400, (
                '<?xml version="1.0"?><ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
                f"<Code>{self.mode}</Code><Message>{form['WebIdentityToken']}</Message></Error></ErrorResponse>"
            )
        return 200, (
            '<?xml version="1.0"?><AssumeRoleWithWebIdentityResponse '
            'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>'
            "<AccessKeyId>AKIATEST</AccessKeyId><SecretAccessKey>sts-secret-key</SecretAccessKey>"
            "<SessionToken>sts-session-token</SessionToken><Expiration>2026-11-24T12:00:00Z</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )


class Backstage:
    """One loopback HTTP server for both."""

    def __init__(self) -> None:
        self.realm, self.sts = Realm(), Sts()
        backstage = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                realm = backstage.realm
                if self.path.startswith((AUTH, LOGOUT)):
                    self._send(200, FORM, "text/html")
                    return
                realm.asked += self.path == CERTS
                found = self.path == CERTS and realm.answers
                self._send(200 if found else 503, dumps(realm.jwks()), "application/json")

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.path.startswith((AUTH, LOGOUT)):
                    self._send(303, "", "text/html", backstage.realm.web.submit(f"http://keycloak.example{self.path}"))
                elif self.path == TOKEN:
                    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                    realm = backstage.realm
                    grant = realm.grant if form["grant_type"] == "password" else realm.web.grant
                    status, answer = grant(form)
                    self._send(status, dumps(answer), "application/json")
                else:
                    self._send(*backstage.sts.answer(body), "application/xml")

            def _send(self, status: int, text: str, kind: str, location: str | None = None) -> None:
                try:
                    self.send_response(status)
                    if location:
                        self.send_header("location", location)
                    self.send_header("content-type", kind)
                    self.send_header("content-length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())
                except OSError:
                    pass  # the caller gave up waiting, as it should

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
