"""A stand-in for Keycloak that the servers under test share, with its paths and its tokens: run in a container.

It lets everybody in as `ada` without asking: it is reachable from this machine only, while the benchmark runs.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

PORT = 8080
REALM = "/realms/bench"
USER = "ada"
TEAM = "editors"
LIFE = 4 * 3600  # seconds: no token ends within a benchmark


class Realm:
    """The realm's key, its tokens and what it tells about itself."""

    def __init__(self, url: str):
        self.issuer = f"{url}{REALM}"
        self._key = RSAKey.generate_key(2048, {"kid": "bench", "use": "sig", "alg": "RS256"})
        self._nonces: dict[str, str] = {}

    def get(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, Any] | str]:
        """The status with a document, or with where to go."""
        protocol = f"{self.issuer}/protocol/openid-connect"
        if path == f"{REALM}/.well-known/openid-configuration":
            return 200, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{protocol}/auth",
                "token_endpoint": f"{protocol}/token",
                "jwks_uri": f"{protocol}/certs",
                "end_session_endpoint": f"{protocol}/logout",
                "device_authorization_endpoint": f"{protocol}/auth/device",
                "revocation_endpoint": f"{protocol}/revoke",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        if path == f"{REALM}/protocol/openid-connect/certs":
            return 200, {"keys": [self._key.as_dict(private=False)]}
        if path == f"{REALM}/protocol/openid-connect/auth":
            code = str(len(self._nonces))
            self._nonces[code] = query.get("nonce", "")
            answer = {"code": code, "state": query.get("state", ""), "iss": self.issuer, "session_state": "bench"}
            return 302, f"{query['redirect_uri']}?{urlencode(answer)}"
        return 404, {"error": "not_found"}

    def post(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if path != f"{REALM}/protocol/openid-connect/token":
            return 404, {"error": "not_found"}
        client = form["client_id"]
        identity = {"typ": "ID", "aud": client, "nonce": self._nonces.get(form.get("code", ""), "")}
        return 200, {
            "access_token": self._token(client, typ="Bearer", aud=["mlflow", "minio"]),
            "id_token": self._token(client, **identity),
            "refresh_token": self._token(client, typ="Refresh", aud=self.issuer),
            "token_type": "Bearer",
            "expires_in": LIFE,
            "refresh_expires_in": LIFE,
            "scope": "openid",
        }

    def _token(self, client: str, **claims: Any) -> str:
        now = int(time.time())
        always = {
            "iss": self.issuer,
            "sub": f"id-of-{USER}",
            "azp": client,
            "sid": "bench",
            "preferred_username": USER,
            "groups": [TEAM],
            "policy": ["readwrite"],
            "iat": now,
            "auth_time": now,
            "exp": now + LIFE,
        }
        return jwt.encode({"alg": "RS256", "typ": "JWT", "kid": self._key.kid}, {**always, **claims}, self._key)


def handler(realm: Realm) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(*realm.get(parts.path, first_values(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            self._send(*realm.post(urlsplit(self.path).path, first_values(body)))

        def _send(self, status: int, answer: dict[str, Any] | str) -> None:
            self.send_response(status)
            if isinstance(answer, str):
                self.send_header("location", answer)
            content = b"" if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def first_values(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", PORT), handler(Realm(sys.argv[1]))).serve_forever()
