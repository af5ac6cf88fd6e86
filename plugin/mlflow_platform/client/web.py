"""Requests to the platform's servers: no redirects, no endless answers, nothing secret in an error."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests

from mlflow_platform.client import clock, handshake
from mlflow_platform.client.addresses import InvalidUrl, normalized, origin
from mlflow_platform.client.certificates import Trust
from mlflow_platform.client.errors import ClientError, Redirected, Unavailable

_MAX_ANSWER = 1024 * 1024
_TIMEOUT = (5, 20)  # seconds to connect, and between bytes
_PATIENCE = 150.0  # seconds for which a job waits for a server that is away
LONGEST_PAUSE = 10.0

T = TypeVar("T")


def get(url: str, trust: Trust) -> dict[str, Any]:
    """The JSON object at a URL."""
    status, document = _request("GET", url, trust)
    if status != 200:
        # What servers of https answer to http, as far as they answer it.
        scheme = " in http, and not https" if status == 400 and url.startswith("http:") else ""
        raise ClientError(f"{url} answers {status}; is {origin(url)} the platform{scheme}?")
    return document


def get_as(token: str, url: str, trust: Trust) -> tuple[int, dict[str, Any]]:
    """Asks with a token; the status, and the JSON object that came with it ({} for none)."""
    return _request("GET", url, trust, token=token)


def post(url: str, form: Mapping[str, str], trust: Trust) -> tuple[int, dict[str, Any]]:
    """Sends a form; the status, and the JSON object that came with it ({} for none)."""
    return _request("POST", url, trust, form)


def patiently(ask: Callable[[], T]) -> T:
    """What it returns, asked again with growing pauses while it raises Unavailable, as a job does in a restart."""
    give_up = time.monotonic() + _PATIENCE
    pause = 0.5
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() > give_up:
                raise
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _request(
    method: str, url: str, trust: Trust, form: Mapping[str, str] | None = None, token: str | None = None
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    options = {"headers": headers, "timeout": _TIMEOUT, "allow_redirects": False, "verify": trust, "stream": True}
    try:
        # With an `auth` of its own, so that no password of ~/.netrc is sent.
        with requests.request(method, url, data=form, auth=_as_it_is, **options) as answer:
            clock.heard(answer.headers.get("Date"))
            status, body = answer.status_code, _read(answer)
            location = answer.headers.get("Location", "")
    except (requests.RequestException, ValueError) as error:  # the second: a redirect to no address
        unanswered = Unavailable(f"{origin(url)} does not answer ({type(error).__name__}).")
        raise handshake.explained(error, origin(url)) or unanswered from None
    except OSError:  # by `requests` itself, before it connects
        raise ClientError(f"There is no {trust} to trust {origin(url)} by; which variable names it?") from None
    if status == 429 or status >= 500:
        raise Unavailable(f"{origin(url)} is not ready ({status}).")
    if 300 <= status < 400:
        raise redirected(url, location)
    return status, _json_object(body, url, required=status == 200 and method == "GET")


def redirected(url: str, location: str) -> Redirected:
    """The error for a redirect, which is not followed: what is sent here is for this server alone."""
    try:
        target = normalized(urljoin(url, location).partition("?")[0])
    except (InvalidUrl, ValueError):
        return Redirected(f"{url} answers with a redirect, which is not followed.", "")
    return Redirected(f"{url} answers with a redirect to {origin(target)}, which is not followed.", target)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(answer: requests.Response) -> bytes:
    body = b""
    for chunk in answer.iter_content(64 * 1024):
        body += chunk
        if len(body) > _MAX_ANSWER:
            raise ClientError(f"{origin(answer.url)} answers with more than {_MAX_ANSWER} bytes.")
    return body


def _json_object(body: bytes, url: str, *, required: bool) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    if required:
        raise ClientError(f"{url} answers with no JSON object; is {origin(url)} the platform?")
    return {}
