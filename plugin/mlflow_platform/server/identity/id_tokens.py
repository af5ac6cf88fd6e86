"""What Keycloak tells this server as an OpenID client: who logged in (ID token), and who logged out (logout token)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_platform.server.identity.tokens import LEEWAY, SignedTokens, TokenRefused, text_of, time_of
from mlflow_platform.server.settings import Settings

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_MAX_AGE = 300  # seconds
LONGEST_ID = 255  # characters of sid and sub, as the table holds them


@dataclass(frozen=True)
class Subject:
    """Whom and which of Keycloak's sessions a token is about; one of the two is there at least."""

    sub: str | None
    sid: str | None
    issued_at: float


class IdTokens:
    """Takes ID and logout tokens of the realm that are meant for this server's own client and nobody else."""

    def __init__(self, settings: Settings, signed: SignedTokens, clock: Callable[[], float] = time.time):
        self._issuer = settings.issuer
        self._client = settings.web_client_id
        self._signed = signed
        self._clock = clock

    async def of_login(self, id_token: str, nonce: str, access_token: str) -> Subject:
        """Whose login this is, if it is the one that asked with the nonce and came with the access token."""
        claims = await self._signed.claims(id_token, "an ID token", ("jwt",))
        self._meant_for_us(claims)
        if claims.get("azp", self._client) != self._client:
            raise TokenRefused("another client asked for it")
        if claims.get("typ") != "ID":
            raise TokenRefused("it is not an ID token")
        if time_of(claims, "exp") <= self._clock() - LEEWAY:
            raise TokenRefused("it has expired")
        if not hmac.compare_digest(text_of(claims, "nonce").encode(), nonce.encode()):
            raise TokenRefused("it belongs to another login")
        if claims.get("at_hash", _half_hash(access_token)) != _half_hash(access_token):
            raise TokenRefused("it came with another access token")
        text_of(claims, "sub")
        return self._subject(claims)

    async def of_logout(self, logout_token: str) -> Subject:
        """Whom a back-channel logout is about (OpenID Connect Back-Channel Logout 1.0, 2.6)."""
        claims = await self._signed.claims(logout_token, "a logout token", ("jwt", "logout+jwt"))
        self._meant_for_us(claims)
        if claims.get("typ", "Logout") != "Logout":
            raise TokenRefused("it is not a logout token")
        if "exp" in claims and time_of(claims, "exp") <= self._clock() - LEEWAY:
            raise TokenRefused("it has expired")
        if time_of(claims, "iat") < self._clock() - LOGOUT_MAX_AGE:
            raise TokenRefused("it is too old")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
            raise TokenRefused("it tells of no logout")
        if "nonce" in claims:
            raise TokenRefused("it has a nonce, so it is not a logout token")
        subject = self._subject(claims)
        if not subject.sid and not subject.sub:
            raise TokenRefused("it names nobody")
        return subject

    def _meant_for_us(self, claims: Mapping[str, Any]) -> None:
        if claims.get("iss") != self._issuer:
            raise TokenRefused("another issuer issued it")
        if claims.get("aud") not in (self._client, [self._client]):
            raise TokenRefused("it is not for this client, or not for it alone")
        if time_of(claims, "iat") > self._clock() + LEEWAY:
            raise TokenRefused("it is not valid yet")

    def _subject(self, claims: Mapping[str, Any]) -> Subject:
        for name in ("sub", "sid"):
            if name in claims and len(text_of(claims, name)) > LONGEST_ID:
                raise TokenRefused(f"its {name} is too long")
        return Subject(claims.get("sub"), claims.get("sid"), time_of(claims, "iat"))


def _half_hash(token: str) -> str:
    """The at_hash of OpenID Connect: all accepted algorithms hash with SHA-256."""
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()
