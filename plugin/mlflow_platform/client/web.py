"""Requests to the platform's servers: no redirects, no endless answers, nothing secret in an error."""

import json
import os
from collections.abc import Mapping
from typing import Any

import requests

from mlflow_platform.client.addresses import origin
from mlflow_platform.client.errors import ClientError, Unavailable

_MAX_ANSWER = 1024 * 1024
_TIMEOUT = (5, 20)  # seconds to connect, and between bytes


def get(url: str) -> dict[str, Any]:
    """The JSON object at a URL."""
    status, document = _request("GET", url)
    if status != 200:
        raise ClientError(f"{url} answers {status}; is {origin(url)} the platform?")
    return document


def post(url: str, form: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Sends a form; the status, and the JSON object that came with it ({} for none)."""
    return _request("POST", url, form)


def certificates() -> str | bool:
    """The authorities to trust: those that MLflow is told to, else `requests`' own, REQUESTS_CA_BUNDLE included."""
    return os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True


def _request(method: str, url: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    options = {"timeout": _TIMEOUT, "allow_redirects": False, "verify": certificates(), "stream": True}
    try:
        # With an `auth` of its own, so that no password of ~/.netrc is sent.
        with requests.request(method, url, data=form, auth=_as_it_is, **options) as answer:
            status, body = answer.status_code, _read(answer)
    except requests.RequestException as error:
        raise Unavailable(f"{origin(url)} does not answer ({type(error).__name__}).") from None
    if status == 429 or status >= 500:
        raise Unavailable(f"{origin(url)} is not ready ({status}).")
    if 300 <= status < 400:
        raise ClientError(f"{url} answers with a redirect, which is not followed.")
    return status, _json_object(body, url, required=status == 200 and method == "GET")


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
