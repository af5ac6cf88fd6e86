"""The trail of a running server: what keeps events, and the two routes that are its own."""

import asyncio
from functools import partial

from sqlalchemy import Engine
from starlette.types import Message, Send

from mlflow_platform.server import audit
from mlflow_platform.server.settings import STORAGE_EVENTS_VARIABLE, secret
from mlflow_platform.server.trail import table
from mlflow_platform.server.trail.page import READS_FOR, AuditPage
from mlflow_platform.server.trail.recorder import Recorder
from mlflow_platform.server.trail.sources import sources
from mlflow_platform.server.trail.storage import StorageEvents


class Trail:
    """From now on what the server writes down is kept, too."""

    def __init__(self, engine: Engine):
        self._recorder = Recorder(partial(table.add, engine))
        audit.keep_by(self._recorder.add)
        self.page = AuditPage(sources(READS_FOR))
        self.storage_events = StorageEvents(
            secret(STORAGE_EVENTS_VARIABLE), secret("AWS_ACCESS_KEY_ID"), self._recorder.add
        )

    def kept_before_the_end(self, send: Send) -> Send:
        """A worker's last word waits for the last of its events."""

        async def last(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await asyncio.to_thread(self._recorder.close)
            await send(message)

        return last
