"""The audit trail: who did what from where, a JSON object per line on stdout, with nothing secret in it."""

import json
import logging
from datetime import UTC, datetime
from typing import Protocol

from starlette.responses import Response
from starlette.types import Scope

from mlflow_platform.server.responses import Error

logger = logging.getLogger("mlflow_platform.audit")

REFUSALS = frozenset({401, 403, 429})
LONGEST = 256  # characters of any text, most of which is the caller's own


class Known(Protocol):
    """Who asked, as far as the trail says it."""

    @property
    def username(self) -> str: ...
    @property
    def client(self) -> str: ...


def record(
    event: str, scope: Scope, *, user: str | None = None, client: str | None = None, **details: str | int | None
) -> None:
    """Writes one event of the request: the user and OAuth client it is about, as far as known, and its own details.

    What is left out on purpose: queries, headers, bodies. JSON escapes whatever could begin a line of its own.
    """
    address = scope.get("client")
    where = {"address": address[0] if address else None, "method": scope["method"], "path": scope["path"]}
    note(event, user=user, client=client, **where, **details)


def note(event: str, **details: str | int | None) -> None:
    """Writes one event, of no request."""
    event_line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **details}
    logger.info(json.dumps({name: v[:LONGEST] if isinstance(v, str) else v for name, v in event_line.items()}))


def denied(scope: Scope, who: Known) -> None:
    """Writes that MLflow's own permissions let a request no further."""
    reason = "MLflow's permissions"
    record("refused", scope, user=who.username, client=who.client, status=403, reason=reason)


def refused(answer: Response, scope: Scope, who: Known | None) -> None:
    """Writes that this layer let a request no further, if that is what the answer says."""
    if isinstance(answer, Error) and answer.status_code in REFUSALS:
        user, client = (who.username, who.client) if who else (None, None)
        record("refused", scope, user=user, client=client, status=answer.status_code, reason=answer.message)
