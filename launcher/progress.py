"""What pulumi does, as lines for a log: one for each resource that is done, and a sign of life from what takes long.

Read from the engine's events (`--json`), since Pulumi's own display without a terminal is for nobody: dots, a line for
each step of an image's build, each resource several times. Which properties change is told; their values, which may be
secrets, are never looked at.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from launcher.console import duration, tell
from launcher.explain import cause

_SIGNS = {"create": "+", "update": "~", "delete": "-", "create-replacement": "++", "delete-replaced": "--"}
_DONE = {"create": "created", "update": "changed", "delete": "deleted", "replace": "replaced", "same": "unchanged"}
_PLANNED = {op: f"to {op}" for op in _DONE} | {"same": "unchanged"}
_HEARTBEAT = 20.0  # seconds


class Progress:
    """One run of pulumi, followed from its first event to its last; `errors` are what it complained of."""

    def __init__(self, verb: str, heartbeat: float = _HEARTBEAT) -> None:
        self.errors: list[str] = []
        self._verb = verb
        self._heartbeat = heartbeat
        self._at_work: dict[str, float] = {}

    def follow(self, lines: Iterable[str]) -> None:
        """Tells what the events say; a line that is no event is told as it is."""
        with self._heartbeats():
            for line in lines:
                try:
                    event = json.loads(line)
                except ValueError:
                    tell(line.rstrip())
                    continue
                self._take(event)

    def failure(self) -> str:
        """The known cause, if there is one, and all that was complained of."""
        known = cause("\n".join(self.errors))
        if len(self.errors) == 1 and not known:
            return f": {self.errors[0]}"
        return "\n  ".join([f": {known}" if known else ":", *self.errors]) if self.errors else "."

    def _take(self, event: dict[str, Any]) -> None:
        match event:
            case {"resourcePreEvent": {"metadata": step}}:
                if (step["op"] in _SIGNS or step["op"] == "refresh") and _is_work(step):
                    self._at_work[step["urn"]] = time.monotonic()
            case {"resOutputsEvent": {"metadata": step, **rest}}:
                took = self._took(step["urn"])
                if step["op"] in _SIGNS and _is_work(step):
                    changed = f" ({', '.join(step['diffs'])})" if step.get("diffs") else ""
                    ended = "" if rest.get("planning") else f": {took}"
                    tell(f" {_SIGNS[step['op']]} {_name(step['urn'])}{changed}{ended}")
            case {"resOpFailedEvent": {"metadata": step}}:
                tell(f" ✗ {_name(step['urn'])}: failed after {self._took(step['urn'])}")
            case {"diagnosticEvent": {"severity": "error" | "warning" as severity, "message": message, **rest}}:
                self._complain(severity, message.strip(), rest.get("urn", ""))
            case {"summaryEvent": {"result": "succeeded", **rest}}:
                counts = rest.get("resourceChanges") or {}
                planned = rest.get("isPreview", False)
                words = _PLANNED if planned else _DONE
                title = f"{self._verb}, planned" if planned and self._verb != "preview" else self._verb
                counted = [f"{count} {words.get(op, op)}" for op, count in sorted(counts.items()) if count]
                took = duration(float(rest.get("durationSeconds", 0)))
                tell(f" ✓ pulumi {title}: {', '.join(counted) or 'nothing to do'} ({took})")

    def _took(self, urn: str) -> str:
        now = time.monotonic()
        return duration(now - self._at_work.pop(urn, now))

    def _complain(self, severity: str, message: str, urn: str) -> None:
        if message == "update failed":  # the engine's, after the reason
            return
        message = f"{_name(urn)}: {message}" if urn and "::pulumi:pulumi:Stack::" not in urn else message
        if severity == "error":
            self.errors.append(message)
        else:
            tell(f" ! {message}")

    @contextmanager
    def _heartbeats(self) -> Iterator[None]:
        done = threading.Event()
        beating = threading.Thread(target=self._beat, args=(done,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            done.set()
            beating.join()

    def _beat(self, done: threading.Event) -> None:
        while not done.wait(self._heartbeat):
            now = time.monotonic()
            long = [(urn, now - began) for urn, began in self._at_work.copy().items()]
            names = [f"{_name(urn)} ({duration(took)})" for urn, took in long if took >= self._heartbeat]
            if names:
                tell(f"   ... {', '.join(names)}")


def _is_work(step: dict[str, Any]) -> bool:
    """Components and providers only stand for others."""
    state = step.get("new") or step.get("old") or {}
    return state.get("custom", False) and not step["type"].startswith("pulumi:")


def _name(urn: str) -> str:
    """
    >>> _name("urn:pulumi:dev::mlflow-platform::platform:index:Images$docker:index/image:Image::minio")
    'Image minio'
    """
    *_, type, name = urn.split("::")
    return f"{type.rpartition(':')[2]} {name}"
