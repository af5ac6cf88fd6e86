"""Browsers at the gate: their cookie instead of a token, and pages instead of errors."""

import re
import time

from sqlalchemy import Engine
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from mlflow_platform.server.browser import pages
from mlflow_platform.server.browser.cookies import Cookies, parse
from mlflow_platform.server.browser.keycloak import Keycloak
from mlflow_platform.server.browser.logins import Logins
from mlflow_platform.server.browser.oidc import Oidc
from mlflow_platform.server.browser.origin import header, is_foreign, is_page, origin_of
from mlflow_platform.server.browser.seal import Seal
from mlflow_platform.server.browser.session_table import Session, SessionTable
from mlflow_platform.server.browser.sessions import Sessions
from mlflow_platform.server.identity.admission import Admission
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.id_tokens import IdTokens
from mlflow_platform.server.identity.keys import SigningKeys
from mlflow_platform.server.identity.tokens import SignedTokens, TokenRefused
from mlflow_platform.server.kept import SESSIONS, Kept, stamps
from mlflow_platform.server.responses import Error, Refused, forbidden
from mlflow_platform.server.settings import SESSION_KEY_VARIABLE, WEB_CLIENT_SECRET_VARIABLE, Settings, secret

WHO = "/oidc/session"
# What programs and MLflow's own scripts ask for; everything else may be a page.
_NO_PAGE = re.compile(r"/+(api|ajax-api|graphql|v1|gateway|static-files|oidc)(/|$)|.*/get-(trace-)?artifact", re.DOTALL)


class Browser:
    """Knows browsers by their session."""

    def __init__(self, settings: Settings, keys: SigningKeys, admission: Admission, engine: Engine):
        key = secret(SESSION_KEY_VARIABLE)
        keycloak = Keycloak(settings, secret(WEB_CLIENT_SECRET_VARIABLE))
        kept = Kept(stamps(), SESSIONS)
        lives = settings.session_idle_seconds, settings.session_max_seconds
        table = SessionTable(engine, Seal(key, "sessions"), kept, *lives)
        self._settings = settings
        self._origin = origin_of(settings.public_url)
        self._keycloak_origin = origin_of(settings.issuer)
        self._cookies = Cookies(settings.public_url)
        self._sessions = Sessions(table, keycloak, admission, settings.session_idle_seconds)
        self.oidc = Oidc(
            settings,
            keycloak,
            IdTokens(settings, SignedTokens(keys)),
            admission,
            self._sessions,
            Logins(Seal(key, "logins"), self._cookies),
            self._cookies,
        )

    async def session(self, scope: Scope) -> Session:
        """The browser's session. Raises TokenRefused, Refused or KeycloakUnavailable."""
        session_id = parse(scope["headers"]).get(self._cookies.session)
        if not session_id:
            raise TokenRefused("the request has no bearer token and no session")
        if is_foreign(scope, self._origin):
            raise Refused(forbidden("A page of another site asked for this in your name."))
        session = await self._sessions.find(session_id, scope)
        if session is None:
            raise TokenRefused("the session has ended")
        return session

    def who(self, identity: Identity, session: Session | None) -> Response:
        """Who is asking, until when that holds (a session's end if it is not used before, or a token's), and where."""
        ends_at = identity.expires_at
        if session:
            idle_end = time.time() + self._settings.session_idle_seconds
            ends_at = int(min(idle_end, session.created_at + self._settings.session_max_seconds))
        rooms = [*identity.levels] if self._settings.workspaces else []
        content = {
            "username": identity.username,
            "expires_at": ends_at,
            "workspaces": rooms,
            "administrates": identity.administrates,
        }
        return JSONResponse(content, headers={"Cache-Control": "no-store"})

    def shown(self, answer: Response, scope: Scope) -> Response:
        """The answer, as a page where a browser is about to show it as one."""
        if not isinstance(answer, Error) or not _wants_page(scope):
            return answer
        if answer.status_code == 401:
            return self._to_login(scope)
        if answer.status_code == 403:
            return pages.refused(answer.message, self._keycloak_origin)
        if answer.status_code == 503:
            return pages.message(503, answer.message, headers={"Retry-After": answer.headers["retry-after"]})
        return answer

    def _to_login(self, scope: Scope) -> Response:
        if scope["path"] == "/" and is_page(scope):
            return pages.to_login()
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        return self.oidc.to_keycloak(scope, target.decode("latin-1"))


def _wants_page(scope: Scope) -> bool:
    if scope["method"] not in ("GET", "HEAD") or _NO_PAGE.match(scope["path"]) or header(scope, b"authorization"):
        return False
    mode, dest = header(scope, b"sec-fetch-mode"), header(scope, b"sec-fetch-dest")
    if mode is None and dest is None:  # browsers leave them out on plain http
        return "text/html" in (header(scope, b"accept") or "")
    return mode == "navigate" and dest in (None, "document")
