"""The routes under /oidc that take no session: a login's two ends and a logout's two ways."""

import asyncio
import logging
from urllib.parse import parse_qs

from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from mlflow_platform.server import audit
from mlflow_platform.server.browser import account, pages, return_to
from mlflow_platform.server.browser.cookies import Cookies, parse
from mlflow_platform.server.browser.keycloak import GrantRefused, Keycloak, KeycloakUnavailable
from mlflow_platform.server.browser.logins import Login, Logins
from mlflow_platform.server.browser.origin import is_foreign, origin_of
from mlflow_platform.server.browser.session_table import LoginUsed
from mlflow_platform.server.browser.sessions import Sessions
from mlflow_platform.server.identity.admission import Admission
from mlflow_platform.server.identity.id_tokens import IdTokens
from mlflow_platform.server.identity.keys import KeysUnavailable
from mlflow_platform.server.identity.tokens import TokenRefused, username_in
from mlflow_platform.server.responses import DEADLINE, PAUSE, Error, forbidden
from mlflow_platform.server.settings import Settings

logger = logging.getLogger(__name__)

LOGIN = "/oidc/login"
CALLBACK = "/oidc/callback"
LOGOUT = "/oidc/logout"
BACKCHANNEL_LOGOUT = "/oidc/backchannel-logout"
METHODS = {
    LOGIN: ("GET", "HEAD"),
    CALLBACK: ("GET",),
    LOGOUT: ("POST",),
    BACKCHANNEL_LOGOUT: ("POST",),
    account.PATH: ("GET", "HEAD"),
}
LONGEST_BODY = 64 * 1024
NO_STORE = {"Cache-Control": "no-store"}

UNKNOWN_LOGIN = "This login has expired, was finished already, or was begun in another browser."
FAILED_LOGIN = "The login did not succeed."
DENIED_LOGIN = "Keycloak did not let you in, or you cancelled the login."
NO_ANSWER = "Keycloak or the database does not answer; try again in a moment."


class Oidc:
    """Logs browsers in and out. What an answer says of a failure is fixed text: callers' parameters are not shown."""

    def __init__(
        self,
        settings: Settings,
        keycloak: Keycloak,
        id_tokens: IdTokens,
        admission: Admission,
        sessions: Sessions,
        logins: Logins,
        cookies: Cookies,
    ):
        self._settings = settings
        self._origin = origin_of(settings.public_url)
        self._keycloak = keycloak
        self._id_tokens = id_tokens
        self._admission = admission
        self._sessions = sessions
        self._logins = logins
        self._cookies = cookies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = scope["path"]
        if scope["method"] not in METHODS[path]:
            allowed = ", ".join(METHODS[path])
            return Error(405, "ENDPOINT_NOT_FOUND", f"This is asked for with {allowed}.", Allow=allowed)
        if path == LOGIN:
            return self.to_keycloak(scope, _query(scope).get("return_to", return_to.HOME))
        if path == CALLBACK:
            return await self._callback(scope)
        if path == LOGOUT:
            return await self._logout(scope)
        if path == BACKCHANNEL_LOGOUT:
            return await self._backchannel_logout(scope, receive)
        return account.script()

    def to_keycloak(self, scope: Scope, target: str) -> Response:
        """Begins a login that comes back to the target, if that is a page of ours."""
        login, lines = self._logins.begin(parse(scope["headers"]), return_to.safe(target))
        return _redirect(302, self._keycloak.login_url(login.state, login.nonce, login.verifier), lines)

    async def _callback(self, scope: Scope) -> Response:
        query, cookies = _query(scope), parse(scope["headers"])
        login = self._logins.find(cookies, query.get("state", ""))
        if login is None:
            return _refused(scope, 400, UNKNOWN_LOGIN, return_to.HOME, "no such login is under way in this browser")
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await self._finished(scope, query, login, cookies.get(self._cookies.session))
        except (GrantRefused, TokenRefused) as refused:
            reason = str(refused) or "Keycloak does not take its code"
            answer = _refused(scope, 400, FAILED_LOGIN, login.return_to, reason)
        except LoginUsed:
            answer = _refused(scope, 400, UNKNOWN_LOGIN, return_to.HOME, "the login was finished already")
        except (KeycloakUnavailable, KeysUnavailable, SQLAlchemyError, TimeoutError) as failure:
            logger.warning("a login could not be finished (%s)", type(failure).__name__)
            answer = pages.message(503, NO_ANSWER, login.return_to, {"Retry-After": PAUSE})
        answer.headers.append("set-cookie", self._logins.drop(login.state))
        return answer

    async def _finished(self, scope: Scope, query: dict[str, str], login: Login, replaced: str | None) -> Response:
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise TokenRefused("another issuer answered it")
        if "error" in query:
            if query["error"] == "access_denied":
                return _refused(scope, 403, DENIED_LOGIN, login.return_to, "Keycloak says access_denied")
            return _refused(scope, 400, FAILED_LOGIN, login.return_to, "Keycloak answered with an error")
        if "code" not in query:
            raise TokenRefused("its answer has no code")
        if await self._sessions.is_used(login.state):
            raise LoginUsed
        tokens = await self._keycloak.redeem(query["code"], login.verifier)
        if tokens.id is None:
            raise TokenRefused("Keycloak sent no ID token")
        subject = await self._id_tokens.of_login(tokens.id, login.nonce, tokens.access)
        identity = await self._admission.admit(tokens.access, scope)
        session_id = await self._sessions.begin(tokens, identity, state=login.state, subject=subject, replaced=replaced)
        audit.record("login", scope, user=identity.username, client=identity.client)
        return _redirect(303, login.return_to, [self._cookies.set_session(session_id)])

    async def _logout(self, scope: Scope) -> Response:
        if is_foreign(scope, self._origin):
            answer = forbidden("Only this server's own pages can log you out.")
            audit.refused(answer, scope, None)
            return answer
        session_id = parse(scope["headers"]).get(self._cookies.session)
        try:
            session = await self._sessions.end(session_id) if session_id else None
        except SQLAlchemyError as failure:
            logger.error("a session could not be ended (%s)", type(failure).__name__)
            return pages.message(503, "The database does not answer, so you are still logged in.", None)
        audit.record("logout", scope, user=username_in(session.tokens.access) if session else None)
        url = self._keycloak.logout_url(session.tokens.id if session else None)
        return _redirect(303, url, [self._cookies.drop(self._cookies.session)])

    async def _backchannel_logout(self, scope: Scope, receive: Receive) -> Response:
        try:
            form = await _form(scope, receive)
            subject = await self._id_tokens.of_logout(form.get("logout_token", ""))
            ended = await self._sessions.end_of(subject)
        except (TokenRefused, ClientDisconnect) as refused:
            audit.record("refused", scope, status=400, reason=str(refused) or "the request ended early")
            return JSONResponse({"error": "invalid_request"}, 400, NO_STORE)
        except (KeysUnavailable, SQLAlchemyError) as failure:
            logger.error("a back-channel logout failed (%s)", type(failure).__name__)
            return JSONResponse({"error": "temporarily_unavailable"}, 400, NO_STORE)
        audit.record("backchannel_logout", scope, user_id=subject.sub, keycloak_session=subject.sid, sessions=ended)
        return Response(status_code=200, headers=NO_STORE)


def _refused(scope: Scope, status: int, sentence: str, home: str, reason: str) -> Response:
    """A login's end without a session: the page for the browser, the reason for the audit trail."""
    audit.record("refused", scope, status=status, reason=reason)
    return pages.message(status, sentence, home)


def _query(scope: Scope) -> dict[str, str]:
    return _parameters(scope["query_string"])


async def _form(scope: Scope, receive: Receive) -> dict[str, str]:
    body = b""
    async for chunk in Request(scope, receive).stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise TokenRefused("its body is too long")
    return _parameters(body)


def _parameters(text: bytes) -> dict[str, str]:
    """Those that are there exactly once."""
    try:
        parsed = parse_qs(text.decode("latin-1"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in parsed.items() if len(values) == 1}


def _redirect(status: int, url: str, cookie_lines: list[str]) -> Response:
    answer = RedirectResponse(url, status, NO_STORE)
    for line in cookie_lines:
        answer.headers.append("set-cookie", line)
    return answer
