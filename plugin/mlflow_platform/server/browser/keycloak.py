"""The realm's endpoints, as the server's own client uses them: pages by the public URL, calls by the back channel."""

import asyncio
import base64
import hashlib
import logging
import ssl
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from mlflow_platform.server.settings import Settings

logger = logging.getLogger(__name__)

TIMEOUT = 4.0  # seconds
LONGEST_HINT = 8 * 1024  # bytes of an ID token in a URL


class GrantRefused(Exception):
    """Keycloak gives no tokens for this code or refresh token."""


class KeycloakUnavailable(Exception):
    """Keycloak did not answer, or not sensibly, or does not know this server."""


class AccountUnavailable(KeycloakUnavailable):
    """Somebody is disabled, or in a directory that does not answer: of both Keycloak says the same."""


@dataclass(frozen=True, repr=False)
class Tokens:
    """What a login or a renewal yields; never to be logged."""

    access: str
    refresh: str | None
    id: str | None


class Keycloak:
    """One realm, for one confidential client."""

    def __init__(self, settings: Settings, client_secret: str):
        self._client = settings.web_client_id
        self._credentials = {"client_id": self._client, "client_secret": client_secret}
        self._public = f"{settings.issuer}/protocol/openid-connect"
        self._token = f"{settings.backchannel_url}/protocol/openid-connect/token"
        self._callback = f"{settings.public_url}/oidc/callback"
        self._home = f"{settings.public_url}/"
        self._tls = ssl.create_default_context()

    def login_url(self, state: str, nonce: str, verifier: str) -> str:
        """The page where people log in, for a code that only who knows the verifier can use."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._callback,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{self._public}/auth?{urlencode(query)}"

    def logout_url(self, id_token: str | None) -> str:
        """The page that ends Keycloak's own session; without the token it asks the user first."""
        query = {"client_id": self._client, "post_logout_redirect_uri": self._home}
        if id_token and len(id_token) <= LONGEST_HINT:
            query["id_token_hint"] = id_token
        return f"{self._public}/logout?{urlencode(query)}"

    async def redeem(self, code: str, verifier: str) -> Tokens:
        """The tokens for a login's code."""
        return await self._grant(
            grant_type="authorization_code", code=code, redirect_uri=self._callback, code_verifier=verifier
        )

    async def renew(self, refresh_token: str) -> Tokens:
        """New tokens for a refresh token."""
        return await self._grant(grant_type="refresh_token", refresh_token=refresh_token)

    async def _grant(self, **form: str) -> Tokens:
        try:
            # The realm is inside the network: no proxy of the environment stands between.
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=self._tls) as http:
                async with asyncio.timeout(TIMEOUT):
                    response = await http.post(self._token, data={**form, **self._credentials})
            answer = response.json()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            logger.warning("no tokens from %s (%s)", self._token, type(error).__name__)
            raise KeycloakUnavailable from None
        if not isinstance(answer, dict):
            raise KeycloakUnavailable
        if response.status_code == 400 and answer.get("error") == "invalid_grant":
            raise AccountUnavailable if answer.get("error_description") == "User disabled" else GrantRefused
        if response.status_code != 200:
            logger.warning("%s answered %d to client %s", self._token, response.status_code, self._client)
            raise KeycloakUnavailable
        access, refresh, identity = (answer.get(f"{kind}_token") for kind in ("access", "refresh", "id"))
        if not isinstance(access, str) or not isinstance(refresh, str | None) or not isinstance(identity, str | None):
            raise KeycloakUnavailable
        if not all(token is None or token.isascii() for token in (access, refresh, identity)):
            raise KeycloakUnavailable  # no form and no URL takes it
        return Tokens(access, refresh, identity)
