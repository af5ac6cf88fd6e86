"""Keycloak's admin REST API, as thin as it goes: python-keycloak logs in and renews the token, this names the errors.

Paths and representations: https://www.keycloak.org/docs-api/26.7.5/rest-api/index.html
"""

import json
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from offline.providers.base import ProviderError, log, pause

START_PATIENCE = 30.0
"""Seconds that a server which does not answer yet is given to come up."""
ANSWER_PATIENCE = 60
"""Least seconds to wait for an answer: a creation that was given up on still happens, and then collides with itself."""

_DOING = {"get": "show", "post": "create", "put": "update", "delete": "delete"}


class AdminApi:
    """A session of an administrator that speaks JSON; paths are given as segments below `/admin/realms`."""

    def __init__(self, config: Mapping[str, Any]):
        self._url = f"{config.get('url', '').rstrip('/')}{config.get('basePath') or ''}"
        self._session = self._login(config)

    def get(self, *segments: str, **query: Any) -> Any:
        """The object at a path; `None` when there is none."""
        answer = self._call("get", segments, may_be_missing=True, **query)
        return None if answer.status_code == 404 else answer.json()

    def create(self, *segments: str, body: Any) -> str:
        """Posts a new object and returns the id that the server gave it."""
        return self._call("post", segments, body).headers["Location"].rsplit("/", 1)[-1]

    def put(self, *segments: str, body: Any = None) -> None:
        """Changes the object at a path."""
        self._call("put", segments, body)

    def add(self, *segments: str, body: Any) -> None:
        """Adds what is there already to the list at a path."""
        self._call("post", segments, body)

    def delete(self, *segments: str, body: Any = None, may_be_gone: bool = True) -> None:
        """Removes the object at a path, or from a list there; already gone is fine, unless said otherwise."""
        self._call("delete", segments, body, may_be_missing=may_be_gone)

    def _call(
        self, verb: str, segments: tuple[str, ...], body: Any = None, *, may_be_missing: bool = False, **query: Any
    ) -> Any:
        from keycloak.exceptions import KeycloakError

        path = "/".join(["admin", "realms", *(quote(segment, safe="") for segment in segments)])
        send = getattr(self._session, f"raw_{verb}")
        try:
            answer = (
                send(path, **query) if verb == "get" else send(path, data=json.dumps(body) if body is not None else "")
            )
        except KeycloakError as error:
            raise ProviderError(f"Keycloak at {self._url} stopped answering: {_reason(error)}.") from error
        if answer.status_code >= 400 and not (may_be_missing and answer.status_code == 404):
            subject = "/".join(segments) or "a realm"
            raise ProviderError(f"Keycloak at {self._url} refused to {_DOING[verb]} {subject}: {_complaint(answer)}.")
        return answer

    def _login(self, config: Mapping[str, Any]) -> Any:
        """A connection with a token; a server that is still starting is waited for."""
        if not config.get("url") or not config.get("clientId"):
            raise ProviderError("The keycloak provider needs 'url' and 'clientId': set them on the explicit provider.")
        _loopback_without_proxy()
        from keycloak import KeycloakOpenIDConnection
        from keycloak.exceptions import KeycloakError

        session = KeycloakOpenIDConnection(
            server_url=f"{self._url}/",
            username=config.get("username"),
            password=config.get("password"),
            client_id=config["clientId"],
            client_secret_key=config.get("clientSecret"),
            realm_name=config.get("realm") or "master",
            timeout=max(ANSWER_PATIENCE, config.get("clientTimeout") or 0),
        )
        give_up = time.monotonic() + START_PATIENCE
        while True:
            try:
                session.get_token()
                return session
            except KeycloakError as error:
                if error.response_code in (400, 401):  # a wrong password is a 400 since 26.6; a start, a 503
                    who = config.get("username") or config["clientId"]
                    raise ProviderError(
                        f"Keycloak at {self._url} refused the login of {who!r}: correct the provider's credentials."
                    ) from error
                if time.monotonic() > give_up:
                    raise ProviderError(
                        f"Keycloak at {self._url} does not answer ({_reason(error)}): start it or correct the url."
                    ) from error
                log(f"waiting for Keycloak at {self._url}")
                pause(1)


def _loopback_without_proxy() -> None:
    """Python's clients send even loopback addresses to an environment's proxy; Go's, and so the plugin's, do not."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join(filter(None, [listed, "localhost", "127.0.0.1", "::1"]))


def _complaint(answer: Any) -> str:
    """The server's own words, without the rest of the page."""
    try:
        said = answer.json()
    except ValueError:
        said = None
    words = [said[key] for key in ("errorMessage", "error_description", "error") if key in said] if said else []
    return f"{words[0].rstrip('.')} (status {answer.status_code})" if words else f"status {answer.status_code}"


def _reason(error: BaseException) -> str:
    """The innermost cause in a few words; the library itself says only that it failed."""
    while error.__cause__:
        error = error.__cause__
    return str(getattr(error.args[0], "reason", error) if error.args else error).rsplit(": ", 1)[-1]
