"""The password grant, for stacks that turn it on: a name and a password instead of a token, on one endpoint."""

import asyncio
import logging
import ssl
from ipaddress import IPv6Network
from typing import Annotated

import anyio.to_thread
import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from starlette.types import Receive, Scope

from mlflow_platform.server.credentials.limits import Limits
from mlflow_platform.server.responses import Error, Refused, too_many, unauthenticated, unavailable
from mlflow_platform.server.settings import Settings

logger = logging.getLogger(__name__)

TIMEOUT = 2.5  # seconds, so that the caller hears of a dead Keycloak, or of a dead MinIO after it, within five
LARGEST = 4096  # bytes of a body
# The same for a wrong password, a name that nobody has and a disabled user.
WRONG = "the name or the password is not right, or its owner may not log in this way"


class Login(BaseModel):
    """The body; a mistake in it is never repeated, since it may lie in the password."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    username: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)]


class Passwords:
    """Buys a token from Keycloak with a caller's password, as the server's own confidential client."""

    def __init__(self, settings: Settings, secret: str, limits: Limits):
        self._url = f"{settings.backchannel_url}/protocol/openid-connect/token"
        self._client = {"client_id": settings.web_client_id, "client_secret": secret}
        self._limits = limits
        self._tls = ssl.create_default_context()

    async def token(self, scope: Scope, receive: Receive) -> str:
        """The access token, to be verified like any other; raises Refused. Nothing keeps or logs the password."""
        login = parse(await body(receive))
        # Keycloak takes a name in any case, with spaces around it.
        subject = login.username.strip().casefold(), network(scope)
        wait = await anyio.to_thread.run_sync(self._limits.attempt, *subject)
        if wait is not None:
            raise Refused(too_many(wait))
        try:
            async with asyncio.timeout(TIMEOUT):
                token = await self._grant(login)
        except (httpx.HTTPError, TimeoutError) as failure:
            logger.warning("no answer from Keycloak at %s (%s)", self._url, type(failure).__name__)
            raise Refused(unavailable("Keycloak does not answer; try again in a moment.")) from None
        await anyio.to_thread.run_sync(self._limits.succeeded, *subject)
        return token

    async def _grant(self, login: Login) -> str:
        form = {"grant_type": "password", "username": login.username, "password": login.password.get_secret_value()}
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, verify=self._tls) as client:
            response = await client.post(self._url, data={**form, **self._client})
        try:
            answer = response.json()
        except (ValueError, RecursionError):
            answer = None
        answer = answer if isinstance(answer, dict) else {}
        if response.status_code == 200 and isinstance(answer.get("access_token"), str):
            return answer["access_token"]
        if answer.get("error") == "invalid_grant":
            raise Refused(unauthenticated(WRONG))
        # Down, or it does not let our client do this: nothing that the caller could mend.
        logger.error("Keycloak does not grant tokens for passwords (status %s)", response.status_code)
        raise Refused(unavailable("Keycloak does not grant tokens at the moment; try again later."))


def network(scope: Scope) -> str:
    """Where the request is from, as the proxy says; of IPv6 the part that one household or server has for itself."""
    address = (scope.get("client") or ("unknown",))[0]
    return str(IPv6Network((address, 64), strict=False)) if ":" in address else address


async def body(receive: Receive) -> bytes:
    received = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused(Error(400, "BAD_REQUEST", "The request ended early."))
        received += message.get("body", b"")
        if len(received) > LARGEST:
            raise Refused(Error(413, "BAD_REQUEST", f"The request is longer than {LARGEST} bytes."))
        if not message.get("more_body"):
            return received


def parse(received: bytes) -> Login:
    try:
        return Login.model_validate_json(received)
    except ValidationError:
        sentence = 'The body must be {"username": "...", "password": "..."} and nothing else.'
        raise Refused(Error(400, "BAD_REQUEST", sentence)) from None


def offered(scope: Scope) -> bool:
    """Whether the request brings JSON and no other credential.

    A page of another site can send a form on a visitor's behalf, but no JSON without asking first, which is refused.
    """
    headers = scope["headers"]
    names = {name for name, _ in headers}
    kinds = [value for name, value in headers if name == b"content-type"]
    return kinds == [b"application/json"] and not names & {b"authorization", b"cookie"}
