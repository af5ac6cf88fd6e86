"""From a token to an identity whose rights stand in MLflow's tables: at most once per token and worker."""

import asyncio
import hashlib
import time
from collections import OrderedDict

import anyio.to_thread
from starlette.types import Scope

from mlflow_platform.server import audit
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.identity.rights import Rights
from mlflow_platform.server.identity.tokens import TokenVerifier

REMEMBERED = 4096  # tokens; the least recently used goes first


class Admission:
    """Verifies a token and writes its rights on first sight, then remembers it, by its hash, until it expires."""

    def __init__(self, verifier: TokenVerifier, rights: Rights):
        self._verifier = verifier
        self._rights = rights
        self._admitted: OrderedDict[bytes, Identity] = OrderedDict()
        self._pending: dict[bytes, asyncio.Task[Identity]] = {}

    async def admit(self, token: str, scope: Scope) -> Identity:
        """The token's identity. Requests that arrive together with a new token share the work."""
        digest = hashlib.sha256(token.encode("ascii")).digest()
        identity = self._admitted.get(digest)
        if identity is not None:
            if identity.expires_at > time.time():
                self._admitted.move_to_end(digest)
                return identity
            del self._admitted[digest]
        pending = self._pending.get(digest)
        if pending is None:
            pending = asyncio.create_task(self._first(digest, token, scope))
            self._pending[digest] = pending
            pending.add_done_callback(lambda _: self._pending.pop(digest, None))
        return await asyncio.shield(pending)

    async def _first(self, digest: bytes, token: str, scope: Scope) -> Identity:
        identity = await self._verifier.verify(token)
        await anyio.to_thread.run_sync(self._rights.bring_in_step, identity)
        audit.record("admitted", scope, user=identity.username, client=identity.client, level=identity.level)
        self._admitted[digest] = identity
        if len(self._admitted) > REMEMBERED:
            self._admitted.popitem(last=False)
        return identity
