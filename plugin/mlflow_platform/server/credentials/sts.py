"""Session credentials from MinIO's STS, for the bearer of a token."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from xml.etree import ElementTree

import httpx

from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.settings import Settings

logger = logging.getLogger(__name__)

TIMEOUT = 2.0  # seconds; with Keycloak's before it, a caller hears of a dead Keycloak or MinIO within five
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class StsUnavailable(Exception):
    """MinIO did not answer, or not sensibly."""


class StsRefused(Exception):
    """MinIO gives this token no credentials."""


class StsTokenRefused(Exception):
    """MinIO does not take the token (any more)."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """What S3 clients need to act as the token's bearer; never to be logged."""

    access_key: str
    secret_key: str
    session_token: str
    expiration: str  # RFC 3339, UTC


class Sts:
    """Exchanges a caller's own token for credentials with that caller's own MinIO policies.

    How long they last is asked for with every exchange, and MinIO's builds differ in what they grant:
    upstream's grant it in full, hours beyond the token's end; others cut it at the token's expiry. Asked for nothing,
    all of them grant what the token has left.
    """

    def __init__(self, settings: Settings):
        self._endpoint = settings.sts_endpoint
        self._seconds = settings.storage_credentials_seconds
        self._tls = ssl.create_default_context()

    async def credentials(self, token: str, identity: Identity) -> Credentials:
        """Raises StsRefused, StsTokenRefused or StsUnavailable, none of which repeats anything of the token."""
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "WebIdentityToken": token,
            **({} if self._seconds is None else {"DurationSeconds": str(self._seconds)}),
        }
        try:
            # In the body, because queries end up in logs; and with no proxy of the environment between.
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=self._tls) as client:
                async with asyncio.timeout(TIMEOUT):
                    response = await client.post(self._endpoint, data=form)
            document = ElementTree.fromstring(response.content)
        except (httpx.HTTPError, TimeoutError, ElementTree.ParseError, ValueError, LookupError) as error:
            logger.warning("no answer from STS at %s (%s)", self._endpoint, type(error).__name__)
            raise StsUnavailable from None
        if response.status_code == 200:
            return _credentials(document)
        code = next((e.text for e in document.iter() if e.tag.endswith("}Code") or e.tag == "Code"), None) or "unknown"
        logger.warning("STS refused credentials for %r: %s", identity.username, code)
        if response.status_code >= 500:
            raise StsUnavailable
        if code in ("ExpiredToken", "InvalidIdentityToken", "InvalidClientTokenId"):
            raise StsTokenRefused
        raise StsRefused


def _credentials(document: ElementTree.Element) -> Credentials:
    def text(name: str) -> str:
        value = document.findtext(f".//{NAMESPACE}Credentials/{NAMESPACE}{name}")
        if not value:
            logger.warning("STS answered without %s", name)
            raise StsUnavailable
        return value

    return Credentials(text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken"), text("Expiration"))
