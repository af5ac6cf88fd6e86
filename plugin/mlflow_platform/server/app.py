"""The app that `mlflow server --app-name keycloak` runs: MLflow's own, behind a door that is closed by default."""

import asyncio
import logging
import os
from contextlib import nullcontext
from urllib.parse import quote, urlsplit

from flask import Flask
from mlflow.environment_variables import _MLFLOW_AUTH_ADMIN_BOOTSTRAPPED
from mlflow.server import app as flask_app
from mlflow.server import auth
from mlflow.server.handlers import STATIC_PREFIX_ENV_VAR
from mlflow.version import VERSION
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_platform.server import audit
from mlflow_platform.server.browser import account, browser, oidc
from mlflow_platform.server.browser.browser import Browser
from mlflow_platform.server.browser.keycloak import AccountUnavailable, KeycloakUnavailable
from mlflow_platform.server.browser.session_table import Session
from mlflow_platform.server.credentials import endpoints, passwords
from mlflow_platform.server.credentials.limits import Limits
from mlflow_platform.server.credentials.passwords import Passwords
from mlflow_platform.server.credentials.sts import Sts
from mlflow_platform.server.identity import workspaces
from mlflow_platform.server.identity.admission import Admission
from mlflow_platform.server.identity.caller import AUTHORIZATION, Identity, current
from mlflow_platform.server.identity.keys import KeysUnavailable, SigningKeys
from mlflow_platform.server.identity.rights import Rights
from mlflow_platform.server.identity.tokens import TokenRefused, TokenVerifier, bearer_token
from mlflow_platform.server.responses import DEADLINE, Error, Refused, forbidden, unauthenticated, unavailable
from mlflow_platform.server.routes import refusal
from mlflow_platform.server.settings import (
    WEB_CLIENT_SECRET_VARIABLE,
    Settings,
    SettingsError,
    load_settings,
    secret,
)
from mlflow_platform.server.trail import page, storage
from mlflow_platform.server.trail.trail import Trail
from mlflow_platform.server.within import authors, native_routes, permission_cache, whole_pages
from mlflow_platform.server.within.bodies import Bodies
from mlflow_platform.server.within.jobs import GATEWAY_VARIABLE, TOKEN_VARIABLE, Jobs, within
from mlflow_platform.server.within.storage import Bucket, keep_to
from mlflow_platform.server.within.turns import take_turns

logger = logging.getLogger(__name__)

HEALTH = "/health"
VERSION_PATH = "/version"
SERVER_INFO = frozenset({"/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"})

# On gateway routes the Authorization header may belong to the model's provider; MLflow's own identity then comes here.
GATEWAY_HEADER = b"x-mlflow-authorization"
CREDENTIALS = frozenset({b"authorization", b"cookie", GATEWAY_HEADER})

CALLER_HEADER = b"x-mlflow-platform-caller"
"""Of answers: who asked, in which workspace. The gateway writes it into its log, and passes it on to nobody."""


def create_app() -> "Gate":
    """MLflow's app with its permission engine, behind the gate."""
    settings = load_settings()
    logging.getLogger("mlflow_platform").setLevel(settings.log_level.upper())
    if os.environ.get(STATIC_PREFIX_ENV_VAR):
        raise SettingsError("a static prefix is not supported: give the platform a host name of its own")
    if (auth.auth_config.authorization_function, auth.auth_config.default_permission) != (
        AUTHORIZATION,
        "NO_PERMISSIONS",
    ):
        raise SettingsError("MLflow's auth configuration is not ours: start with `python -m mlflow_platform.server`")
    # There is no administrator with a password; so MLflow is told that one was made already.
    os.environ[_MLFLOW_AUTH_ADMIN_BOOTSTRAPPED.name] = "true"
    keep_to(Bucket(settings.bucket))
    account.show(flask_app)
    authors.install()
    mlflow = auth.create_app()
    permission_cache.install(auth)
    whole_pages.leave_as_they_are(auth)
    if isinstance(mlflow, Flask):
        raise SettingsError("only uvicorn can run this app: leave --gunicorn-opts and --waitress-opts out")
    native_routes.keep_to_their_requests(mlflow)
    take_turns(mlflow)
    rights = Rights(auth.store.engine, settings)
    keys = SigningKeys(settings.backchannel_url)
    admission = Admission(TokenVerifier(settings, keys), rights)
    return Gate(
        Bodies(mlflow),
        settings,
        admission,
        Browser(settings, keys, admission, auth.store.engine),
        Sts(settings),
        password_grant(settings, auth.store.engine),
        jobs(rights),
        Trail(auth.store.engine),
    )


def password_grant(settings: Settings, engine: Engine) -> Passwords | None:
    """None where the stack does not turn it on."""
    if not settings.password_grant:
        return None
    client_secret = secret(WEB_CLIENT_SECRET_VARIABLE)
    return Passwords(settings, client_secret, Limits(engine, client_secret.encode()))


def jobs(rights: Rights) -> Jobs | None:
    """None where the entry did not turn them on."""
    token, gateway = os.environ.get(TOKEN_VARIABLE), os.environ.get(GATEWAY_VARIABLE)
    return Jobs(token, gateway, rights.identity) if token and gateway else None


class Gate:
    """Lets a request through to MLflow with a verified identity and without its credentials, or answers it itself."""

    def __init__(
        self,
        mlflow: ASGIApp,
        settings: Settings,
        admission: Admission,
        browser: Browser,
        sts: Sts,
        passwords: Passwords | None,
        jobs: Jobs | None,
        trail: Trail,
    ):
        self.mlflow = mlflow
        self._settings = settings
        self._host = urlsplit(settings.public_url).netloc.lower().encode()
        self._admission = admission
        self._browser = browser
        self._sts = sts
        self._passwords = passwords
        self._jobs = jobs
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if self._jobs and (user := self._jobs.user(scope)) is not None:
                await self._job(scope, receive, send, await self._jobs.identity(user))
            else:
                await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.mlflow(scope, receive, self._trail.kept_before_the_end(send))
        else:  # MLflow has no websockets
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        public = self._public(scope)
        if public is not None:
            if isinstance(public, Error):
                audit.refused(public, scope, None)
            await public(scope, receive, send)
            return
        identity = session = None
        try:
            async with asyncio.timeout(DEADLINE):
                token, inner = take_token(scope)
                if token is None and self._passwords and endpoints.is_session(scope) and passwords.offered(scope):
                    token = await self._passwords.token(scope, receive)
                elif token is None:
                    session = await self._browser.session(scope)
                    token = session.tokens.access
                identity = await self._admission.admit(token, scope)
                identity = self._entered(identity, scope)
                answer = await self._private(scope, token, identity, session)
        except TokenRefused as refused:
            answer = unauthenticated(str(refused))
        except Refused as refused:
            answer = refused.answer
        except AccountUnavailable:
            answer = unavailable("Your account is disabled, or its directory does not answer; try again in a moment.")
        except (KeysUnavailable, KeycloakUnavailable):
            answer = unavailable("Keycloak does not answer; try again in a moment.")
        except SQLAlchemyError as failure:
            logger.error("a user's rights or session could not be read or written (%s)", type(failure).__name__)
            answer = unavailable("The database does not answer; try again in a moment.")
        except TimeoutError:
            answer = unavailable("Keycloak, MinIO or the database answers too slowly; try again in a moment.")
        else:
            if answer is None:
                await self._forward(inner, receive, send, identity)
                return
        audit.refused(answer, scope, identity)
        await self._browser.shown(answer, scope)(scope, receive, send)

    async def _job(self, scope: Scope, receive: Receive, send: Send, identity: Identity) -> None:
        """A model called for a job, by the rights of who started it."""
        try:
            identity = self._entered(identity, scope)
            if sentence := refusal(identity.level, scope["method"], scope["path"]):
                raise Refused(forbidden(sentence))
        except Refused as refused:
            audit.refused(refused.answer, scope, identity)
            await refused.answer(scope, receive, send)
        else:
            await self._forward(within(scope, self._host), receive, send, identity)

    def _entered(self, identity: Identity, scope: Scope) -> Identity:
        return workspaces.entered(identity, scope["headers"]) if self._settings.workspaces else identity

    def _public(self, scope: Scope) -> ASGIApp | None:
        """What answers anybody, a refusal of a foreign Host included; None where a token is needed."""
        path, reading = scope["path"], scope["method"] in ("GET", "HEAD")
        if reading and path == HEALTH:  # asked from inside the container, by any name
            return self.mlflow
        if path == oidc.BACKCHANNEL_LOGOUT:  # Keycloak asks by the name that it knows
            return self._browser.oidc
        if path == storage.PATH:  # and so does MinIO
            return self._trail.storage_events
        if [value.lower() for name, value in scope["headers"] if name == b"host"] != [self._host]:
            return Error(403, "PERMISSION_DENIED", "This server does not answer to that Host.")
        if reading and path == VERSION_PATH:
            return PlainTextResponse(VERSION)
        if reading and path == endpoints.DISCOVERY:
            return endpoints.discovery(self._settings)
        if path in oidc.METHODS:
            return self._browser.oidc
        return self.mlflow if reading and path in SERVER_INFO else None

    async def _private(self, scope: Scope, token: str, identity: Identity, session: Session | None) -> Response | None:
        """What this layer answers itself to somebody it knows; None where MLflow decides."""
        if scope["path"] == browser.WHO and scope["method"] in ("GET", "HEAD"):
            return self._browser.who(identity, session)
        if scope["path"] == page.PATH:
            return await self._trail.page.answer(scope, identity)
        if sentence := refusal(identity.level, scope["method"], scope["path"]):
            return forbidden(sentence)
        if scope["path"] != endpoints.SESSION:
            return None
        if not endpoints.is_session(scope):
            return Error(405, "ENDPOINT_NOT_FOUND", "Credentials are asked for with POST.", Allow="POST")
        return await endpoints.session(self._settings, self._sts, scope, token, identity)

    async def _forward(self, scope: Scope, receive: Receive, send: Send, identity: Identity) -> None:
        caller = (CALLER_HEADER, f"{quote(identity.username, safe='')} {quote(identity.workspace, safe='')}".encode())

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 403:
                    audit.denied(scope, identity)
                else:
                    audit.passed(scope, identity, message["status"])
                others = [header for header in message.get("headers", ()) if header[0].lower() != CALLER_HEADER]
                message = {**message, "headers": [*others, caller]}
            await send(message)

        reset = current.set(identity)
        try:
            with workspaces.within(identity, scope) if self._settings.workspaces else nullcontext(scope) as inner:
                await self.mlflow(inner, receive, noted)
        finally:
            current.reset(reset)


def take_token(scope: Scope) -> tuple[str | None, Scope]:
    """The bearer token, if one is offered, and the request without it and without cookies.

    So what lies within can neither log a token nor pass it on.
    """
    headers = scope["headers"]
    gateway = [value for name, value in headers if name == GATEWAY_HEADER and value]
    if scope["path"].startswith("/gateway/") and gateway:
        taken = {b"cookie", GATEWAY_HEADER}  # Authorization is the provider's key, on its way there
    else:
        gateway, taken = [], CREDENTIALS
    values = gateway or [value for name, value in headers if name == b"authorization"]
    return bearer_token(values) if values else None, {
        **scope,
        "headers": [(name, value) for name, value in headers if name not in taken],
    }
