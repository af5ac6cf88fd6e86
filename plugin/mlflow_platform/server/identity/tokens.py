"""Access tokens: from the text in a header to an identity, or a reason why not."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, deserialize_compact, extract_compact

from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.keys import SigningKeys
from mlflow_platform.server.settings import Settings

MAX_TOKEN = 32 * 1024  # a member of several hundred groups fits
ALGORITHMS = ("RS256", "PS256", "ES256")  # asymmetric only: nothing that the public key, or no key, could forge
LEEWAY = 10  # seconds by which clocks may differ
MAX_USERNAME = 255  # MLflow's column
SERVICE = "service-account-"  # so Keycloak calls the user of a service client, in front of the client's name


class TokenRefused(Exception):
    """The token does not let its bearer in; the message says why and repeats nothing of the token."""


class SignedTokens:
    """Reads what one of the realm's keys signed."""

    def __init__(self, keys: SigningKeys):
        self._keys = keys
        self._registry = JWSRegistry(algorithms=list(ALGORITHMS))

    async def claims(self, token: str, wanted: str, kinds: tuple[str, ...]) -> dict[str, Any]:
        """The claims, whatever they say, of a token whose header is of a kind (lower case) that is wanted."""
        if len(token) > MAX_TOKEN:
            raise TokenRefused(f"the token is longer than {MAX_TOKEN} bytes")
        try:
            header = extract_compact(token.encode("ascii")).headers()
            key_id, algorithm = header.get("kid"), header.get("alg")
        except (JoseError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            raise TokenRefused("it is not a signed token") from None
        if algorithm not in ALGORITHMS:
            raise TokenRefused("its algorithm is not accepted")
        if str(header.get("typ", "JWT")).lower() not in kinds:
            raise TokenRefused(f"it is not {wanted}")
        if not isinstance(key_id, str) or not key_id:
            raise TokenRefused("it names no key")
        key = await self._keys.get(key_id)
        if key is None:
            raise TokenRefused("it is signed with a key that the realm does not have")
        if key.alg not in (None, algorithm):
            raise TokenRefused("its algorithm is not the key's")
        try:
            payload = deserialize_compact(token, key, registry=self._registry).payload
            claims = json.loads(payload)
        except (JoseError, ValueError, TypeError, RecursionError):
            raise TokenRefused("its signature or its content is not valid") from None
        if not isinstance(claims, dict):
            raise TokenRefused("its content is not an object")
        return claims


class TokenVerifier:
    """Takes access tokens of one realm, for one audience, signed with one of the realm's keys."""

    def __init__(self, settings: Settings, keys: SigningKeys, clock: Callable[[], float] = time.time):
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._settings = settings
        self._signed = SignedTokens(keys)
        self._clock = clock

    async def verify(self, token: str) -> Identity:
        """The token's identity; raises TokenRefused, or KeysUnavailable where nobody can tell yet."""
        return self._identity(self._checked(await self._signed.claims(token, "an access token", ("jwt", "at+jwt"))))

    def _checked(self, claims: dict[str, Any]) -> dict[str, Any]:
        """The claims, if they say: issued by this realm, for this audience, as an access token, and for now."""
        now = self._clock()
        if claims.get("iss") != self._issuer:
            raise TokenRefused("another issuer issued it")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused(f"it is not for the audience {self._audience}")
        if claims.get("typ") != "Bearer":  # Keycloak says here what it is: ID and Refresh are the others
            raise TokenRefused("it is not an access token")
        if time_of(claims, "exp") <= now - LEEWAY:
            raise TokenRefused("it has expired")
        if time_of(claims, "iat") > now + LEEWAY or ("nbf" in claims and time_of(claims, "nbf") > now + LEEWAY):
            raise TokenRefused("it is not valid yet")
        return claims

    def _identity(self, claims: Mapping[str, Any]) -> Identity:
        groups = claims.get("groups", [])
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise TokenRefused("its groups are not a list of names")
        teams = frozenset(group for group in groups if group in self._settings.teams)
        username, client = _username(claims), text_of(claims, "azp")
        if username.startswith(SERVICE) and username != f"{SERVICE}{client}".lower():
            raise TokenRefused("its user has a service client's name, and it is not that client's")
        return Identity(
            username=username,
            teams=teams,
            levels=self._settings.levels(teams),
            client=client,
            has_policy=bool(claims.get("policy")),
            issued_at=int(time_of(claims, "iat")),
            expires_at=int(time_of(claims, "exp")),
            reads=self._settings.reads(teams),
        )


def username_in(verified: str) -> str | None:
    """The user name in a token of ours that was verified before; for the audit trail."""
    return json.loads(extract_compact(verified.encode("ascii")).payload).get("preferred_username")


def bearer_token(values: list[bytes]) -> str:
    """The token in a request's authorization headers; raises TokenRefused unless there is exactly one."""
    if not values:
        raise TokenRefused("the request has no bearer token")
    if len(values) > 1:
        raise TokenRefused("the request has more than one authorization header")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer":
        raise TokenRefused("only bearer tokens are accepted")
    try:
        return token.strip(b" ").decode("ascii")
    except UnicodeDecodeError:
        raise TokenRefused("it is not a signed token") from None


def time_of(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 2**53:
        raise TokenRefused(f"its {name} is not a time")
    return value


def text_of(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():  # else no database and no form takes it
        raise TokenRefused(f"it has no usable {name}")
    return value


def _username(claims: Mapping[str, Any]) -> str:
    """The user's name as it stands, if databases, logs and MLflow can carry it unchanged."""
    name = text_of(claims, "preferred_username")
    if len(name) > MAX_USERNAME or not name.isprintable() or name != name.strip():
        raise TokenRefused("its user name is too long or has characters that cannot be shown")
    return name
