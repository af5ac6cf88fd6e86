"""Where a login leads back to: a page of this server, whatever a link asked for."""

import re
from urllib.parse import unquote

HOME = "/"
LONGEST = 1536  # characters; it travels in a cookie
OWN_ROUTES = "/oidc/"
# Printable ASCII as browsers send it, without the backslash, which they take for a slash.
_PLAIN = re.compile(r"/[\x21-\x5b\x5d-\x7e]*")


def safe(target: str) -> str:
    """The path, query and fragment if every browser reads them as this server's; else the home page."""
    if len(target) > LONGEST or not _PLAIN.fullmatch(target):
        return HOME
    path = _decoded(re.split(r"[?#]", target, maxsplit=1)[0])
    if path is None or "//" in path or "\\" in path or not path.isprintable():
        return HOME
    if {".", ".."} & set(path.split("/")) or f"{path}/".lower().startswith(OWN_ROUTES):
        return HOME
    return target


def _decoded(path: str) -> str | None:
    """The path without any layer of percent encoding; None where the layers do not end."""
    for _ in range(4):
        inner = unquote(path)
        if inner == path:
            return path
        path = inner
    return None
