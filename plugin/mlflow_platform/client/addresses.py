"""Addresses: which server a URL means, and whether it is safe to talk to."""

import ipaddress
import os
import re
from urllib.parse import urlsplit

from mlflow_platform.client.errors import ClientError

TRACKING_URI = "MLFLOW_TRACKING_URI"

# Nothing in it that two parsers could read differently: no user, no backslash, no space, no control character.
_URL = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?(/[\w./~%+-]*)?", re.IGNORECASE | re.ASCII)
# Where a URL's scheme, host and port end, for its own software as for any other.
_ORIGIN = re.compile(r"https?://[^/?#\\\s]+(?=[/?#]|$)", re.IGNORECASE | re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class InvalidUrl(ClientError):
    """Not a plain http or https URL."""


def normalized(url: str) -> str:
    """The one way in which this server is written here; raises InvalidUrl where it is no plain http(s) URL."""
    found = _URL.fullmatch(url)
    if not found or int(found[3] or 1) not in range(1, 65536):
        raise InvalidUrl(f"{url[:200]!r} is not a plain http or https URL, such as https://mlflow.example.com.")
    scheme, host = found[1].lower(), found[2].lower()
    port = int(found[3]) if found[3] else _DEFAULT_PORTS[scheme]
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{suffix}{(found[4] or '').rstrip('/')}"


def tracking_uri() -> str:
    """The server that MLFLOW_TRACKING_URI names."""
    given = os.environ.get(TRACKING_URI, "")
    if not given:
        raise ClientError(f"{TRACKING_URI} is not set; set it to the platform's address first.")
    return normalized(given)


def server_of(url: str) -> str | None:
    """The tracking server that a request to this URL is for; None for what can be no server of ours."""
    try:
        ours = tracking_uri()
    except ClientError:
        return None
    return ours if is_within(url, ours) else None


def is_within(url: str, server: str) -> bool:
    """Whether a request to this URL is one to the server (normalized), whatever its path has in it."""
    found = _ORIGIN.match(url)
    try:
        asked = normalized(found[0]) + url[found.end() :] if found else ""
    except InvalidUrl:
        return False
    return asked.startswith(server) and asked[len(server) :][:1] in ("", "/", "?", "#")


def origin(url: str) -> str:
    """Scheme, host and port of a normalized URL."""
    return "/".join(url.split("/", 3)[:3])


def check_transport(url: str, tracking: str) -> None:
    """Raises ClientError where a token would travel less protected than to the tracking server itself."""
    if url.startswith("https:") or _is_loopback(url):
        return
    if tracking.startswith("https:") or _is_loopback(tracking):
        raise ClientError(f"{origin(tracking)} refers to {origin(url)}, which is not https: no token is sent there.")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
