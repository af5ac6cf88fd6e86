"""The administrators' page: who logged in, who read or changed what, and who was refused. All others get 403."""

from datetime import UTC, datetime
from functools import partial
from html import escape
from urllib.parse import parse_qs, urlencode

import anyio
import anyio.to_thread
from starlette.responses import Response
from starlette.types import Scope

from mlflow_platform.server import audit
from mlflow_platform.server.audit import LONGEST, Event
from mlflow_platform.server.browser import pages
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.responses import DEADLINE, Error, forbidden
from mlflow_platform.server.trail.reading import ALL_TIME, Page, Source, Wanted, page

PATH = "/platform/audit"
_CLOSED = "This page is for the platform's administrators."
READS_FOR = DEADLINE - 0.5  # seconds: the database gives up before the answer does
_SECOND = 1_000_000  # microseconds
_COLUMNS = ("Time (UTC)", "Trail", "Who", "From", "What", "Outcome", "Workspace")
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:1.5em}form{display:flex;flex-wrap:wrap;gap:1em;align-items:end;"
    "margin-bottom:1em}label{display:grid}table{border-collapse:collapse;width:100%}th,td{text-align:left;"
    "vertical-align:top;padding:.2em .8em .2em 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere}"
    "td:first-child{white-space:nowrap}tr.refused{background:#fdecea}"
)


class AuditPage:
    """Reads the trails when it is asked, one reader at a time."""

    def __init__(self, sources: list[Source]):
        self._sources = sources
        self._thread = anyio.CapacityLimiter(1)

    async def answer(self, scope: Scope, identity: Identity) -> Response:
        """Raises SQLAlchemyError where a trail cannot be read."""
        if not identity.administrates:
            return forbidden(_CLOSED)
        if scope["method"] not in ("GET", "HEAD"):
            return Error(405, "ENDPOINT_NOT_FOUND", "This is asked for with GET, HEAD.", Allow="GET, HEAD")
        try:
            wanted, before = asked(scope["query_string"].decode("latin-1"))
        except ValueError:
            return pages.message(400, "That is no filter of this page.")
        read = partial(page, self._sources, wanted, before)
        found = await anyio.to_thread.run_sync(read, limiter=self._thread, abandon_on_cancel=True)
        audit.record("audit trail read", scope, user=identity.username, client=identity.client)
        return pages.page("Audit trail", _body(wanted, found), _STYLE)


def asked(query: str) -> tuple[Wanted, int]:
    """What the page's form and links ask for. Raises ValueError."""
    given = {name: values[-1] for name, values in parse_qs(query, max_num_fields=10).items()}
    since = given.get("since", "")
    wanted = Wanted(
        user=given.get("user", "").strip()[:LONGEST],
        room=given.get("workspace", "").strip()[:LONGEST],
        only_refused="refused" in given,
        since=_microseconds(datetime.fromisoformat(since)) if since else ALL_TIME[0],
    )
    before = int(given.get("before", ALL_TIME[1]))
    if not all(ALL_TIME[0] <= moment <= ALL_TIME[1] for moment in (wanted.since, before)):
        raise ValueError("no moment of this trail's")
    return wanted, before


def _microseconds(moment: datetime) -> int:
    """Of a moment that says no zone, in UTC."""
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * _SECOND)


def _body(wanted: Wanted, found: Page) -> str:
    rows = "".join(map(_row, found.events)) or f"<tr><td colspan={len(_COLUMNS)}>Nothing.</td></tr>"
    heads = "".join(f"<th scope=col>{name}</th>" for name in _COLUMNS)
    older = f"<p><a href='{escape(_link(wanted, found.older))}'>Older</a></p>" if found.older is not None else ""
    return (
        f"<h1>Audit trail</h1>{_form(wanted)}<table><caption hidden>Newest first</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{older}<p><a href='/'>MLflow</a></p>"
    )


def _form(wanted: Wanted) -> str:
    since = _moment(wanted.since).strftime("%Y-%m-%dT%H:%M") if wanted.since else ""
    checked = " checked" if wanted.only_refused else ""
    return (
        f"<form action='{PATH}'>"
        f"<label>User<input name=user value='{escape(wanted.user)}'></label>"
        f"<label>Since (UTC)<input name=since type=datetime-local value='{since}'></label>"
        f"<label>Workspace<input name=workspace value='{escape(wanted.room)}'></label>"
        f"<label>Refused only<input name=refused type=checkbox value=1{checked}></label>"
        "<button>Show</button></form>"
    )


def _link(wanted: Wanted, before: int) -> str:
    given = {
        "user": wanted.user,
        "since": _moment(wanted.since).replace(tzinfo=None).isoformat() if wanted.since else "",
        "workspace": wanted.room,
        "refused": "1" if wanted.only_refused else "",
        "before": str(before),
    }
    return f"{PATH}?{urlencode({name: value for name, value in given.items() if value})}"


def _row(event: Event) -> str:
    texts = (event.trail, event.user, event.address, event.what, event.outcome, event.room)
    cells = "".join(f"<td>{escape(text)}</td>" for text in (f"{_moment(event.at):%Y-%m-%d %H:%M:%S}", *texts))
    return f"<tr class=refused>{cells}</tr>" if event.refused else f"<tr>{cells}</tr>"


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / _SECOND, UTC)
