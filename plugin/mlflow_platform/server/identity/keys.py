"""The realm's signing keys."""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

logger = logging.getLogger(__name__)

SigningKey = RSAKey | ECKey
MAX_AGE = 600.0  # seconds after which keys are fetched again, so that a withdrawn one stops counting
COOL_DOWN = 5.0  # seconds between two fetches: made-up key ids cannot hammer the identity provider
TIMEOUT = 2.5  # seconds; with that of STS after it, a caller hears of a dead Keycloak or MinIO within five


class KeysUnavailable(Exception):
    """Whether there is such a key is not known, because the identity provider does not answer."""


class SigningKeys:
    """The public keys by id, fetched off the event loop's way, once for all who wait; the last good set is kept."""

    def __init__(self, realm_url: str, clock: Callable[[], float] = time.monotonic):
        self._url = f"{realm_url}/protocol/openid-connect/certs"
        self._tls = ssl.create_default_context()
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at = float("-inf")
        self._attempted_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, key_id: str) -> SigningKey | None:
        """The key of that id; None where the realm has no such key."""
        known = key_id in self._keys
        if known and self._clock() - self._fetched_at > MAX_AGE:
            self._start_fetch()  # nobody waits for it: the known key serves until the new set is here
        elif not known:
            if fetching := self._start_fetch():
                await asyncio.shield(fetching)
            if key_id not in self._keys and self._fetched_at < self._attempted_at:
                raise KeysUnavailable  # the realm may have a key of that id by now: nobody can tell
        return self._keys.get(key_id)

    def _start_fetch(self) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one unless the last was a moment ago."""
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._attempted_at < COOL_DOWN:
                return None
            self._attempted_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            # The realm is inside the network: no proxy of the environment stands between.
            async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=self._tls) as client:
                async with asyncio.timeout(TIMEOUT):
                    response = await client.get(self._url)
            response.raise_for_status()
            self._keys = signing_keys(response.json())
            self._fetched_at = self._clock()
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            logger.warning("no signing keys from %s (%s); the last good set stays", self._url, type(error).__name__)


def signing_keys(document: object) -> dict[str, SigningKey]:
    """The usable part of a JWKS document: asymmetric public keys that sign, by id; anything else is left out."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or entry.get("kty") not in ("RSA", "EC") or entry.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(entry)
        except (JoseError, ValueError, KeyError):
            continue  # a key of a kind that this library does not know is no reason to lose the others
        if isinstance(key, SigningKey) and key.kid:
            keys[key.kid] = key
    if not keys:
        raise ValueError("the document has no signing key")
    return keys
