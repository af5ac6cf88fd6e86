"""The audit trail: who did what from where, a JSON object per line on stdout, with nothing secret in it.

The same is handed to whoever keeps events for the administrators' page; the lines on stdout stay the record.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from starlette.responses import Response
from starlette.types import Scope

from mlflow_platform.server.responses import Error

logger = logging.getLogger("mlflow_platform.audit")

REFUSALS = frozenset({401, 403, 429})
LONGEST = 256  # characters of any text, most of which is the caller's own
LONGEST_DEED = 1200  # of what an event says was done: no object's key is too long for it
TRAIL = "MLflow"
_ABOUT_REQUESTS = ("method", "path")
_ASIDE = ("user", "client", "address", "access_key", "expiration", *_ABOUT_REQUESTS)
_NO_ONES_DEED = "/static-files/"  # what begins the paths of MLflow's own pictures and scripts


class Known(Protocol):
    """Who asked, as far as the trail says it."""

    @property
    def username(self) -> str: ...
    @property
    def client(self) -> str: ...
    @property
    def workspace(self) -> str: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that somebody did, for people to read; "" is what the trail does not say."""

    at: int  # microseconds since 1970
    trail: str
    user: str = ""
    address: str = ""
    what: str
    outcome: str = ""
    room: str = ""
    refused: bool = False

    def cleaned(self) -> "Event":
        """As it may be kept and shown: names and paths are anybody's words, as long as they like, of any characters."""
        return replace(
            self,
            user=_printable(self.user, LONGEST),
            address=_printable(self.address, LONGEST),
            what=_printable(self.what, LONGEST_DEED),
            outcome=_printable(self.outcome, LONGEST),
            room=_printable(self.room, LONGEST),
        )


def _printable(text: str, most: int) -> str:
    if len(text) <= most and text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text[:most])


def nobody(event: Event) -> None:
    """Keeps it, where nobody else does."""


_keep: Callable[[Event], None] = nobody


def keep_by(keep: Callable[[Event], None]) -> None:
    """From now on events are handed to this, too; it must neither wait nor fail."""
    global _keep
    _keep = keep


def now() -> int:
    return time.time_ns() // 1000


def record(
    event: str,
    scope: Scope,
    *,
    user: str | None = None,
    client: str | None = None,
    room: str = "",
    **details: str | int | None,
) -> None:
    """Writes one event of the request: the user and OAuth client it is about, as far as known, and its own details.

    What is left out on purpose: queries, headers, bodies. JSON escapes whatever could begin a line of its own.
    """
    where = {"address": _address(scope), "method": scope["method"], "path": scope["path"]}
    note(event, room, user=user, client=client, **where, **details)


def note(event: str, room: str = "", /, **details: str | int | None) -> None:
    """Writes one event, of no request."""
    event_line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **details}
    logger.info(json.dumps({name: v[:LONGEST] if isinstance(v, str) else v for name, v in event_line.items()}))
    _keep(
        Event(
            at=now(),
            trail=TRAIL,
            user=str(details.get("user") or ""),
            address=str(details.get("address") or ""),
            what=" ".join([event, *(str(details[name]) for name in _ABOUT_REQUESTS if name in details)]),
            outcome=", ".join(f"{name} {v}" for name, v in details.items() if name not in _ASIDE and v is not None),
            room=room,
            refused=event == "refused",
        )
    )


def passed(scope: Scope, who: Known, status: int) -> None:
    """Keeps what somebody asked of MLflow, and how that ended; the gateway has the line of it."""
    if not scope["path"].startswith(_NO_ONES_DEED):
        _keep(
            Event(
                at=now(),
                trail=TRAIL,
                user=who.username,
                address=_address(scope) or "",
                what=f"{scope['method']} {scope['path']}",
                outcome=str(status),
                room=who.workspace,
            )
        )


def denied(scope: Scope, who: Known) -> None:
    """Writes that MLflow's own permissions let a request no further."""
    reason = "MLflow's permissions"
    record("refused", scope, user=who.username, client=who.client, room=who.workspace, status=403, reason=reason)


def refused(answer: Response, scope: Scope, who: Known | None) -> None:
    """Writes that this layer let a request no further, if that is what the answer says."""
    if isinstance(answer, Error) and answer.status_code in REFUSALS:
        user, client, room = (who.username, who.client, who.workspace) if who else (None, None, "")
        record("refused", scope, user=user, client=client, room=room, status=answer.status_code, reason=answer.message)


def _address(scope: Scope) -> str | None:
    address = scope.get("client")
    return address[0] if address else None
