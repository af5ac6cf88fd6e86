"""Cookies come along whoever makes a browser ask; so this tells what our own pages, or the user, asked for."""

from urllib.parse import urlsplit

from starlette.types import Scope

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def origin_of(url: str) -> str:
    """As browsers write it: in lower case, and without the scheme's own port."""
    parts = urlsplit(url)
    netloc = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
    return f"{parts.scheme}://{netloc}"


def header(scope: Scope, name: bytes) -> str | None:
    """A header's value; None where there is none, and empty, which no rule accepts, where there are several."""
    values = [value for key, value in scope["headers"] if key == name]
    return (values[0].decode("latin-1") if len(values) == 1 else "") if values else None


def is_foreign(scope: Scope, origin: str) -> bool:
    """Whether another site may have made the browser send this request; `origin` is our own."""
    claimed, site = header(scope, b"origin"), header(scope, b"sec-fetch-site")
    safe = scope["method"] in SAFE_METHODS
    if claimed is not None:
        return claimed != origin or site not in (None, "same-origin")
    if site is None:
        return not safe
    if site == "same-origin":
        return False
    if not safe:
        return True
    # A link that was followed, or typed in ("none"); not a frame, an image or a script on another site's page.
    return site != "none" and not is_page(scope)


def is_page(scope: Scope) -> bool:
    """Whether the browser asks for what it will show as the page itself."""
    mode, dest = header(scope, b"sec-fetch-mode"), header(scope, b"sec-fetch-dest")
    return scope["method"] in ("GET", "HEAD") and mode == "navigate" and dest == "document"
