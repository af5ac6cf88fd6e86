"""Tokens as Keycloak's token endpoint gives them."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlflow_platform.client import clock, web
from mlflow_platform.client.certificates import Trust
from mlflow_platform.client.errors import ClientError, Unavailable

_LONGEST = 10 * 365 * 86400  # seconds; a number beyond is no life of a token
_LAST = 2**33  # seconds since 1970: in the year 2242
_TOKEN = re.compile(r"[\w.~+/=-]{1,65536}", re.ASCII)  # what may stand in a header
_CODE = re.compile(r"[a-z_]{1,64}")


class Refused(ClientError):
    """The token endpoint says no; `code` is OAuth's word for why."""

    def __init__(self, code: str):
        super().__init__(f"Keycloak refuses: {code}.")
        self.code = code


@dataclass(frozen=True, repr=False)
class Tokens:
    """An access token and what renews it; times are seconds since 1970 by Keycloak's clock. Not to be logged."""

    access_token: str
    refresh_token: str | None
    username: str
    lifetime: float
    expires_at: float
    session_ends_at: float | None  # None where nobody can tell, as for an offline login

    def remaining(self) -> float:
        """Seconds that the access token is still good for."""
        return self.expires_at - clock.now()


def check(kept: Tokens) -> None:
    """Raises ClientError unless they are as `parse` made them once."""
    _token({"access_token": kept.access_token}, "access_token")
    if kept.refresh_token is not None:
        _token({"refresh_token": kept.refresh_token}, "refresh_token")
    username({"preferred_username": kept.username})
    _seconds({"expires_in": kept.lifetime}, "expires_in")
    for moment in (kept.expires_at, kept.session_ends_at or 0.0):
        if type(moment) not in (int, float) or not 0 <= moment < _LAST:
            raise ClientError("A token's times cannot be used.")


def ask(endpoint: str, form: Mapping[str, str], trust: Trust) -> dict[str, Any]:
    """The token endpoint's answer to a grant; raises Refused or Unavailable."""
    status, document = web.post(endpoint, form, trust)
    if status == 200:
        return document
    code = document.get("error")
    if code == "invalid_grant" and document.get("error_description") == "User disabled":
        # Keycloak says so of whom it cannot ask a directory about, too, and renews the login when it can.
        raise Unavailable("Your account is disabled, or its directory does not answer.")
    raise Refused(code if isinstance(code, str) and _CODE.fullmatch(code) else f"status {status}")


def parse(document: Mapping[str, Any]) -> Tokens:
    """The tokens of the endpoint's answer; raises ClientError unless it is a whole one."""
    access_token = _token(document, "access_token")
    if str(document.get("token_type")).lower() != "bearer":
        raise ClientError("Keycloak gave a token of another type than Bearer.")
    lifetime = _seconds(document, "expires_in")
    session = document.get("refresh_expires_in", 0)
    session_life = _seconds(document, "refresh_expires_in") if session else None  # 0: it does not end by itself
    content = claims(access_token)
    expires_at = _seconds(content, "exp", _LAST)
    return Tokens(
        access_token=access_token,
        refresh_token=_token(document, "refresh_token") if "refresh_token" in document else None,
        username=username(content),
        lifetime=lifetime,
        expires_at=expires_at,
        session_ends_at=expires_at - lifetime + session_life if session_life else None,
    )


def claims(token: str) -> dict[str, Any]:
    """What a token says. Its signature is for servers to check: it came straight from Keycloak."""
    parts = token.split(".")
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (IndexError, ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise ClientError("Keycloak gave a token that cannot be read.")
    return payload


def username(content: Mapping[str, Any]) -> str:
    name = content.get("preferred_username")
    if not isinstance(name, str) or not 0 < len(name) <= 255 or not name.isprintable():
        raise ClientError("Keycloak gave a token without a user name that can be shown.")
    return name


def check_identity(id_token: Any, *, issuer: str, client_id: str, nonce: str) -> None:
    """Raises ClientError unless the identity token was made for this very login."""
    content = claims(id_token) if isinstance(id_token, str) else {}
    audience = content.get("aud")
    expected = content.get("iss") == issuer and content.get("nonce") == nonce
    if not expected or client_id not in (audience if isinstance(audience, list) else [audience]):
        raise ClientError("Keycloak's answer belongs to another login, so it was not accepted; log in again.")


def _token(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise ClientError(f"Keycloak gave no usable {name}.")
    return value


def _seconds(document: Mapping[str, Any], name: str, limit: float = _LONGEST) -> float:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < limit:
        raise ClientError(f"Keycloak gave no usable {name}.")
    return float(value)
