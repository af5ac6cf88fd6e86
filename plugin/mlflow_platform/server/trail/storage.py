"""What MinIO tells of S3: its own audit trail, which it sends here some entries at a time.

The gateway passes this route on from nobody, and the token is known to MinIO's servers alone. An entry has all of a
request's headers, credentials among them; what is kept is who did what to which object, from where, and how it ended.
"""

import hmac
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mlflow_platform.server import audit
from mlflow_platform.server.audit import Event
from mlflow_platform.server.responses import forbidden

PATH = "/platform/storage-events"
TRAIL = "S3"
LONGEST = 4 * 1024 * 1024  # bytes of an entry: a deletion of a thousand objects, twice over
REFUSALS = frozenset({401, 403})
_ROOM = re.compile(r"workspaces/([^/]+)/")


class StorageEvents:
    """Answers MinIO as soon as its entries are understood; what is none is left out, or it would be sent for ever."""

    def __init__(self, token: str, own_key: str, keep: Callable[[Event], None]):
        self._token = token.encode()
        self._own_key = own_key
        self._keep = keep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope, receive))(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        said = [value.removeprefix(b"Bearer ") for name, value in scope["headers"] if name == b"authorization"]
        if scope["method"] != "POST" or len(said) != 1 or not hmac.compare_digest(said[0], self._token):
            answer = forbidden("This is for the platform's own servers.")
            audit.refused(answer, scope, None)
            return answer
        try:
            async for line in _lines(scope, receive):
                for event in _events(line, self._own_key):
                    self._keep(event)
        except ClientDisconnect:
            pass
        return Response(status_code=204)


async def _lines(scope: Scope, receive: Receive) -> AsyncIterator[bytes]:
    """Without those that are too long, which are never in memory as a whole."""
    rest, skipping = b"", False
    async for chunk in Request(scope, receive).stream():
        *lines, rest = (rest + chunk).split(b"\n")
        if skipping and lines:
            del lines[0]
            skipping = False
        for line in lines:
            yield line
        if len(rest) > LONGEST:
            rest, skipping = b"", True
    if not skipping:
        yield rest


def _events(line: bytes, own_key: str) -> Iterator[Event]:
    """What somebody did, to each object of a request; nothing for what MinIO does by itself."""
    try:
        said = json.loads(line)
        api = said["api"]
        status, name = int(api["statusCode"]), str(api["name"])
        at = int(datetime.fromisoformat(said["time"]).timestamp() * 1_000_000)
    except (ValueError, TypeError, KeyError, RecursionError):
        return
    many = [each.get("objectName") for each in api.get("objects") or [] if isinstance(each, dict)]
    for key in many or [api.get("object")]:
        where = "/".join(str(part) for part in (api.get("bucket"), key) if part)
        room = _ROOM.match(str(key or ""))
        yield Event(
            at=at,
            trail=TRAIL,
            user=_who(said, own_key),
            address=str(said.get("remotehost") or ""),
            what=f"{name} {where}".strip(),
            outcome=str(status),
            room=room[1] if room else "",
            refused=status in REFUSALS,
        )


def _who(said: Mapping[str, Any], own_key: str) -> str:
    """MinIO names the credentials once it has found the signature to be theirs; until then nobody is known.

    Of an upload it names those whose session token it carries, and refuses it if the signature is not theirs.
    """
    key, claims = str(said.get("accessKey") or ""), said.get("requestClaims")
    if not key:
        return ""
    if key == own_key:
        return "MLflow"
    user = claims.get("preferred_username") if isinstance(claims, dict) else None
    return str(user or f"access key {key}")
