"""How a resource type at work talks with the engine: it reports progress, and stops waiting when told to."""

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from .schema import Interrupted

_DETAILS = 5.0  # seconds of silence before a detail is worth a message

Report = Callable[[str, bool], None]  # takes a message, and whether it is a detail

_report: ContextVar[Report] = ContextVar("report", default=lambda message, detail: None)
_stopped: ContextVar[threading.Event | None] = ContextVar("stopped", default=None)
_engine: engine_pb2_grpc.EngineStub | None = None


def log(message: str, *, detail: bool = False) -> None:
    """Reports progress on the resource at hand, in its status line; without a terminal each message is a line.

    Hence a message that repeats the last one is dropped (the CLI itself counts the seconds), and so is a detail that
    comes within a few seconds of another message.
    """
    _report.get()(message, detail)


def pause(seconds: float) -> None:
    """Waits, as between two looks at a server; raises `Interrupted` at once when the engine is told to stop."""
    stopped = _stopped.get() or threading.Event()
    if stopped.wait(seconds):
        raise Interrupted("interrupted before it was done; run the same command again to go on")


def under_engine(report: Report, stopped: threading.Event) -> None:
    """Makes `log` and `pause` in the current context heed the given engine."""
    _report.set(report)
    _stopped.set(stopped)


def connect(address: str) -> None:
    """From now on there is an engine that reads the messages."""
    global _engine
    _engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))


class EngineLog:
    """Sends messages about one resource to the engine, as few as tell the whole; without an engine they are dropped."""

    def __init__(self, urn: str):
        self._urn = urn
        self._last = ""
        self._sent = -_DETAILS

    def __call__(self, message: str, detail: bool) -> None:
        now = time.monotonic()
        if not message or message == self._last or (detail and now - self._sent < _DETAILS):
            return
        self._last, self._sent = message, now
        if _engine is not None:
            _engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=self._urn, ephemeral=True))
