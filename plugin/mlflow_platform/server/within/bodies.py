"""How much of requests this process holds: MLflow has the whole body in memory, twice, before it looks at it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlflow_platform.server.responses import PAUSE, Error

LARGEST = 64 * 1024**2  # bytes of one body; artifacts go to the object store and not through here
AT_ONCE = 256 * 1024**2  # bytes of all bodies on their way, in each worker


class Bodies:
    """Stands before MLflow's app and counts what the requests under way bring: no user takes the memory of all."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST, at_once: int = AT_ONCE):
        self.app = app
        self._largest = largest
        self._at_once = at_once
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(_said_length(scope))
        if refusal is None:
            refusal = await self._counted(scope, receive, send)
        if refusal:
            await refusal(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> Error | None:
        """Lets the request through as it arrives; the answer for one that became too long on its way."""
        size, refusal, begun = 0, None, False

        async def counted() -> Message:
            nonlocal size, refusal
            message = await receive()
            more = len(message.get("body", b""))
            if refusal := refusal or self._refusal(more, size):
                raise _TooLong
            size += more
            self._held += more
            return message

        async def unless_refused(message: Message) -> None:
            nonlocal begun
            if refusal is None:  # else it is what the app made of the exception
                begun = True
                await send(message)

        try:
            await self.app(scope, counted, unless_refused)
        except Exception:
            if refusal is None:
                raise
        finally:
            self._held -= size
        return None if begun else refusal

    def _refusal(self, more: int, already: int = 0) -> Error | None:
        if already + more > self._largest:
            sentence = f"The request is longer than {self._largest} bytes. Artifacts go straight to the object store."
            return Error(413, "INVALID_PARAMETER_VALUE", sentence)
        if self._held + more > self._at_once:
            sentence = "Too many large requests at once; try again in a moment."
            return Error(503, "TEMPORARILY_UNAVAILABLE", sentence, Retry_After=PAUSE)
        return None


class _TooLong(Exception):
    """Ends the reading of a request that is refused."""


def _said_length(scope: Scope) -> int:
    """What the request says of its length; 0 for one that does not, which is counted as it arrives."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() and len(lengths[0]) < 20 else 0
