"""Login on another device: a code to type in there, and patience here (RFC 8628)."""

import io
import re
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any, TypeGuard

from mlflow_platform.client import tokens, web
from mlflow_platform.client.addresses import normalized, origin
from mlflow_platform.client.browser import challenge
from mlflow_platform.client.discovery import Keycloak
from mlflow_platform.client.errors import ClientError, NotLoggedIn, Unavailable
from mlflow_platform.client.tokens import Tokens

_CODE = re.compile(r"[\w-]{1,64}", re.ASCII)
_PRINTED = re.compile(r"[!-~]{1,1000}")  # in one piece, and short enough for a QR code
_LONGEST_WAIT = 1800.0  # seconds, whatever Keycloak says
_ENDS = {
    "expired_token": "Nobody logged in before the code expired; log in again.",
    "access_denied": "The login was refused.",
}


def log_in(keycloak: Keycloak, client_id: str, scope: str, say: Callable[[str], None]) -> Tokens:
    """Shows where to log in and waits until somebody has."""
    verifier = secrets.token_urlsafe(48)
    form = {"client_id": client_id, "scope": scope}
    pkce = {"code_challenge": challenge(verifier), "code_challenge_method": "S256"}
    status, device = web.post(keycloak.device, {**form, **pkce}, keycloak.trust)
    if status != 200:
        raise ClientError("Keycloak does not offer the login by code here.")
    url, complete, code = _address(device, keycloak, "verification_uri"), None, device.get("user_code")
    if "verification_uri_complete" in device:
        complete = _address(device, keycloak, "verification_uri_complete")
    if not _is(code, _CODE) or not _is(device.get("device_code"), _PRINTED):
        raise ClientError("Keycloak's answer to the login by code cannot be used.")
    say(_instructions(url, code, complete))
    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": client_id,
        "device_code": device["device_code"],
        "code_verifier": verifier,
    }
    return _poll(keycloak, grant, _seconds(device, "interval", 5), _seconds(device, "expires_in", 600))


def _poll(keycloak: Keycloak, grant: dict[str, str], interval: float, life: float) -> Tokens:
    give_up = time.monotonic() + min(life, _LONGEST_WAIT)
    while time.monotonic() + interval < give_up:
        time.sleep(interval)
        try:
            return tokens.parse(tokens.ask(keycloak.token, grant, keycloak.trust))
        except Unavailable:
            interval = max(interval, min(2 * interval, 30))
        except tokens.Refused as refused:
            if refused.code == "slow_down":
                interval += 5
            elif refused.code != "authorization_pending":
                raise NotLoggedIn(_ENDS.get(refused.code, f"Keycloak did not log you in ({refused.code}).")) from None
    raise NotLoggedIn(_ENDS["expired_token"])


def _instructions(url: str, code: str, complete: str | None) -> str:
    lines = [f"To log in, open {complete or url}", f"and check that it shows the code {code}"]
    if not complete:
        lines[1] = f"and enter the code {code}"
    picture = _qr(complete or url)
    return "\n".join([*lines, picture] if picture else lines)


def _qr(url: str) -> str:
    """The address for a telephone's camera, where this terminal can draw it."""
    if not sys.stderr.isatty() or "utf" not in (sys.stderr.encoding or "").lower():
        return ""
    import segno

    drawn = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()


def _address(device: dict[str, Any], keycloak: Keycloak, name: str) -> str:
    value = device.get(name)
    page = normalized(value.partition("?")[0]) if _is(value, _PRINTED) else ""
    if origin(page) != origin(normalized(keycloak.issuer)):
        raise ClientError(f"Keycloak's {name} is on another server, so it is not trusted.")
    return str(value)


def _is(value: Any, form: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _seconds(device: dict[str, Any], name: str, default: float) -> float:
    value = device.get(name, default)
    return float(value) if type(value) in (int, float) and 0 < value < 86400 else default
