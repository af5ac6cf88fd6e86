"""The realm's half of a browser's login: codes and refresh tokens, each of which it can be made to get wrong."""

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from tests.plugin.idp import Realm

WEB_CLIENT_SECRET = "the secret of the server's own client"


@dataclass
class Person:
    """Who logs in, and what the tokens of the login say."""

    name: str = "ada"
    groups: tuple[str, ...] = ("editors",)
    unavailable: bool = False  # the directory that he is in does not answer
    sid: str = field(default_factory=lambda: secrets.token_hex(8))
    life: float = 300
    access: dict[str, Any] = field(default_factory=dict)
    id: dict[str, Any] = field(default_factory=dict)
    signed: dict[str, Any] = field(default_factory=dict)  # key and header of the ID token


class WebLogins:
    """Checks what Keycloak checks: the client's secret, the redirect, PKCE, and that codes are used once."""

    def __init__(self, realm: "Realm"):
        self._realm = realm
        self._lock = threading.Lock()
        self._codes: dict[str, tuple[Person, dict[str, str]]] = {}
        self._refresh_tokens: dict[str, Person] = {}
        self.issued: list[dict[str, Any]] = []
        self.renewals: list[str] = []  # the names of those whose tokens were asked to be renewed
        self.visitor = Person()  # who is at the login page of a real browser
        self.mode = "well"

    def authorize(self, url: str, person: Person) -> str:
        """What the login page of this URL sends the person back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self._realm.issuer}/protocol/openid-connect/auth?")
        assert (query["response_type"], query["client_id"]) == ("code", "mlflow")
        assert (query["code_challenge_method"], query["scope"]) == ("S256", "openid")
        code = secrets.token_urlsafe(16)
        self._codes[code] = (person, query)
        answer = {"state": query["state"], "iss": self._realm.issuer, "session_state": person.sid, "code": code}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def submit(self, url: str) -> str:
        """Where the forms of the login and the logout page send a real browser."""
        if "/auth?" in url:
            return self.authorize(url, self.visitor)
        self.end(self.visitor)
        return parse_qs(urlsplit(url).query)["post_logout_redirect_uri"][0]

    def grant(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if self.mode in ("slow", "hang"):
            time.sleep(1 if self.mode == "slow" else 6)
        if self.mode in ("hang", "down") or not self._realm.answers:
            return 503, {"error": "temporarily_unavailable"}
        if (form.get("client_id"), form.get("client_secret")) != ("mlflow", WEB_CLIENT_SECRET):
            return 401, {"error": "unauthorized_client"}
        with self._lock:
            return self._code(form) if form["grant_type"] == "authorization_code" else self._refresh(form)

    def end(self, person: Person) -> None:
        """As an administrator does who logs the person out: nothing is renewed any more."""
        self._refresh_tokens = {token: one for token, one in self._refresh_tokens.items() if one is not person}

    def logout_token(self, person: Person, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
        """What Keycloak tells its clients when the person's session ends."""
        now = int(time.time())
        claims = {
            "iss": self._realm.issuer,
            "aud": "mlflow",
            "sub": f"id-of-{person.name}",
            "sid": person.sid,
            "typ": "Logout",
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            **changes,
        }
        known = {name: value for name, value in claims.items() if value is not None}
        return self._realm.sign(known, **({"typ": "logout+jwt"} if header is None else header))

    def _code(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        person, query = self._codes.pop(form["code"], (None, {}))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if person is None or form["redirect_uri"] != query["redirect_uri"]:
            return 400, {"error": "invalid_grant", "error_description": "Code not valid"}
        if challenge.decode() != query["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "PKCE verification failed"}
        return self._tokens(person, query["nonce"])

    def _refresh(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        held = self._refresh_tokens.get(form["refresh_token"])
        if held and held.unavailable:
            return 400, {"error": "invalid_grant", "error_description": "User disabled"}
        person = self._refresh_tokens.pop(form["refresh_token"], None)  # each works once
        if person is None:
            self.renewals.append("")
            return 400, {"error": "invalid_grant", "error_description": "Session not active"}
        self.renewals.append(person.name)
        return self._tokens(person, None)

    def _tokens(self, person: Person, nonce: str | None) -> tuple[int, dict[str, Any]]:
        now = int(time.time())
        common = {"iat": now, "exp": now + person.life, "sid": person.sid, "azp": "mlflow"}
        access = self._realm.token(
            person.name, person.groups, **{**common, "jti": secrets.token_hex(8), **person.access}
        )
        at_hash = base64.urlsafe_b64encode(hashlib.sha256(access.encode()).digest()[:16]).rstrip(b"=").decode()
        identity = {"aud": "mlflow", "typ": "ID", "nonce": nonce, "at_hash": at_hash, **common, **person.id}
        refresh = f"refresh-{secrets.token_urlsafe(24)}"
        self._refresh_tokens[refresh] = person
        tokens = {
            "access_token": access,
            "refresh_token": refresh,
            "id_token": self._realm.sign(self._realm.claims(person.name, **identity), **person.signed),
        }
        self.issued.append(tokens)
        return 200, {**tokens, "token_type": "Bearer", "expires_in": person.life}
