"""A browser's session, from the id in its cookie to an access token that holds."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from mlflow_platform.server.browser.keycloak import (
    AccountUnavailable,
    GrantRefused,
    Keycloak,
    KeycloakUnavailable,
    Tokens,
)
from mlflow_platform.server.browser.seal import SealBroken
from mlflow_platform.server.browser.session_table import Session, SessionTable, hashed
from mlflow_platform.server.identity.admission import Admission
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.id_tokens import Subject
from mlflow_platform.server.identity.keys import KeysUnavailable
from mlflow_platform.server.identity.tokens import TokenRefused

logger = logging.getLogger(__name__)

T = TypeVar("T")

CLAIM = 15.0  # seconds: longer than a renewal takes with every time-out in it
PATIENCE = 4.5  # seconds that a request waits for another worker's renewal
EAGERNESS = 0.5  # seconds in which it still begins one of its own, so that two time-outs do not add up
QUIET = 2.0  # seconds in which a Keycloak that has just failed is left alone
SWEEP_EVERY = 600.0  # seconds
THREADS = 8  # of this module's own, so that slow answers of MLflow's do not hold it up


class Sessions:
    """Finds, begins, renews and ends sessions; what it knows is in the table, so every worker knows the same."""

    def __init__(self, table: SessionTable, keycloak: Keycloak, admission: Admission, idle_seconds: int):
        self._table = table
        self._keycloak = keycloak
        self._admission = admission
        self._touch_every = min(60.0, idle_seconds / 10)
        self._renewals: dict[str, asyncio.Task[Session | None]] = {}
        self._quiet_until = 0.0
        self._sweep_at = 0.0
        self._threads = anyio.CapacityLimiter(THREADS)

    async def is_used(self, state: str) -> bool:
        return await self._call(self._table.is_used, hashed(state))

    async def begin(
        self, tokens: Tokens, identity: Identity, *, state: str, subject: Subject, replaced: str | None
    ) -> str:
        """Keeps a new session and returns its id; the browser's former one ends. Raises LoginUsed."""
        session_id, now = secrets.token_urlsafe(32), time.time()
        session = Session(hashed(session_id), now, now, renew_at(identity), identity.expires_at, tokens)
        await self._call(self._table.add, session, hashed(state), subject, hashed(replaced) if replaced else None)
        await self._sweep(now)
        return session_id

    async def find(self, session_id: str, scope: Scope) -> Session | None:
        """The session with an access token that holds; None if it has ended. Raises KeycloakUnavailable."""
        session, now = await self._read(hashed(session_id)), time.time()
        if session is None:
            return None
        if now >= session.renew_at:
            renewal = self._renewal(session, scope)
            if now >= session.expires_at:  # before that nobody waits for it
                session = await asyncio.shield(renewal)
        if session and now - session.used_at > self._touch_every:
            await self._call(self._table.touch, session.id, now)
            await self._sweep(now)
        return session

    async def end(self, session_id: str) -> Session | None:
        """Ends the session and returns what it was."""
        session = await self._read(hashed(session_id))
        await self._call(self._table.end, hashed(session_id))
        return session

    async def end_of(self, subject: Subject) -> int:
        return await self._call(self._table.end_of, subject)

    async def _read(self, key: str) -> Session | None:
        try:
            return await self._call(self._table.find, key, time.time())
        except SealBroken:
            logger.warning("the tokens of a session cannot be opened, so it ends")
            await self._call(self._table.end, key)
            return None

    def _renewal(self, session: Session, scope: Scope) -> asyncio.Task[Session | None]:
        """The renewal under way in this worker, or a new one."""
        task = self._renewals.get(session.id)
        if task is None:
            task = asyncio.create_task(self._renewed(session, scope))
            self._renewals[session.id] = task
            task.add_done_callback(lambda done: self._forget(session.id, done))
        return task

    def _forget(self, key: str, done: asyncio.Task[Session | None]) -> None:
        del self._renewals[key]
        if not done.cancelled() and (failure := done.exception()):
            logger.debug("a session's tokens could not be renewed yet (%s)", type(failure).__name__)

    async def _renewed(self, session: Session, scope: Scope) -> Session | None:
        if time.monotonic() < self._quiet_until:
            raise KeycloakUnavailable
        begun = now = time.time()
        while now < begun + PATIENCE:
            if now < begun + EAGERNESS and await self._call(self._table.claim, session, now, now + CLAIM):
                return await self._renew(session, scope)
            await asyncio.sleep(0.1)
            fresh = await self._read(session.id)
            if fresh is None or fresh.renew_at != session.renew_at:
                return fresh
            now = time.time()
        raise KeycloakUnavailable

    async def _renew(self, session: Session, scope: Scope) -> Session | None:
        try:
            renewed = await self._with_new_tokens(session, scope)
            return renewed if await self._call(self._table.renew, renewed) else None
        except (GrantRefused, TokenRefused) as refused:
            logger.info("a session ends, because Keycloak does not renew it (%s)", type(refused).__name__)
            await self._call(self._table.end, session.id)
            return None
        except (KeycloakUnavailable, KeysUnavailable, SQLAlchemyError):
            await self._call(self._table.give_back, session.id)
            raise

    async def _with_new_tokens(self, session: Session, scope: Scope) -> Session:
        if session.tokens.refresh is None:
            raise GrantRefused
        try:
            new = await self._keycloak.renew(session.tokens.refresh)
        except AccountUnavailable:  # which says nothing of others
            raise
        except KeycloakUnavailable:
            self._quiet_until = time.monotonic() + QUIET
            raise
        tokens = Tokens(new.access, new.refresh or session.tokens.refresh, new.id or session.tokens.id)
        identity = await self._admission.admit(tokens.access, scope)
        return replace(session, tokens=tokens, renew_at=renew_at(identity), expires_at=identity.expires_at)

    async def _sweep(self, now: float) -> None:
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_EVERY
        try:
            await self._call(self._table.sweep, now)
        except SQLAlchemyError as failure:
            logger.warning("ended sessions could not be removed yet (%s)", type(failure).__name__)

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        return await anyio.to_thread.run_sync(lambda: function(*arguments), limiter=self._threads)


def renew_at(identity: Identity) -> float:
    """When the identity's token is renewed: a minute ahead of its end, or a quarter of its life if that is less."""
    return identity.expires_at - min(60.0, (identity.expires_at - identity.issued_at) / 4)
