"""The few pages that this layer shows people itself: static but for one sentence, and closed to any other content."""

import base64
import hashlib
from html import escape
from urllib.parse import quote

from starlette.responses import Response

_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em}"
_TO_LOGIN = (
    "location.replace('/oidc/login?return_to='+encodeURIComponent(location.pathname+location.search+location.hash))"
)
_BASE = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"


def to_login() -> Response:
    """Goes on to the login with what only the browser knows, the part of its address behind the `#`."""
    body = f"<script>{_TO_LOGIN}</script><noscript><p><a href='/oidc/login'>Log in</a></p></noscript>"
    policy = f"{_BASE}; style-src {_hash(_STYLE)}; script-src {_hash(_TO_LOGIN)}"
    return _page(401, body, policy, {"WWW-Authenticate": 'Bearer realm="mlflow"'})


def page(title: str, body: str, style: str) -> Response:
    """A page of its own style, with forms and links that lead to this server alone."""
    return _page(200, body, f"{_BASE}; style-src {_hash(style)}; form-action 'self'", title=title, style=style)


def message(
    status: int, sentence: str, return_to: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    """A sentence, and a way on where there is one."""
    link = f"<p><a href='/oidc/login?return_to={quote(return_to, safe='')}'>Log in again</a></p>" if return_to else ""
    return _page(status, f"<p>{escape(sentence)}</p>{link}", f"{_BASE}; style-src {_hash(_STYLE)}", headers)


def refused(sentence: str, keycloak_origin: str) -> Response:
    """For somebody who is logged in and may do nothing: logging out is how to come back as somebody else."""
    form = "<form method='post' action='/oidc/logout'><button>Log out</button></form>"
    # Browsers hold the policy against the redirect that answers the form, too.
    policy = f"{_BASE}; style-src {_hash(_STYLE)}; form-action 'self' {keycloak_origin}"
    return _page(403, f"<p>{escape(sentence)}</p>{form}", policy)


def _page(
    status: int,
    body: str,
    policy: str,
    headers: dict[str, str] | None = None,
    *,
    title: str = "MLflow",
    style: str = _STYLE,
) -> Response:
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{title}</title><style>{style}</style>{body}</html>"
    )
    common = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return Response(page, status, {**common, **(headers or {})}, "text/html")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
