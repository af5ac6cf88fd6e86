"""One stack of the program: what `pulumi` is asked to do with it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import repair, stack_file
from launcher.console import Failure, say
from launcher.explain import cause


@dataclass(frozen=True)
class Stack:
    name: str
    root: Path
    own: Path
    environment: Mapping[str, str]

    def make_ready(self) -> None:
        """Makes the stack in the backend unless it is there; an interrupted update is put in order first."""
        repair.remove_stale_locks(self.own / "state", self.name)
        exported = self._pulumi(["stack", "export"], capture=True)
        if exported.returncode:
            self._checked(["stack", "init", self.name, "--non-interactive"])
        elif repaired := repair.without_pending(json.loads(exported.stdout)):
            self._checked(["stack", "import", "--force"], stdin=json.dumps(repaired))

    def up(self) -> None:
        self._explained(["up", "--yes", "--skip-preview"])

    def destroy(self) -> None:
        self._explained(["destroy", "--yes", "--skip-preview"])

    def outputs(self, *, secrets: bool) -> dict[str, Any]:
        command = ["stack", "output", "--json", *(["--show-secrets"] if secrets else [])]
        return json.loads(self._checked(command).stdout or "{}")

    def run(self, arguments: Sequence[str]) -> int:
        """Runs pulumi on the terminal as it is; the exit code."""
        return self._pulumi(arguments, capture=False).returncode

    def _explained(self, arguments: Sequence[str]) -> None:
        """Runs an update on the terminal; when it fails, the engine's own errors tell the reason."""
        events = self.own / f"events-{self.name}.jsonl"
        events.unlink(missing_ok=True)
        try:
            code = self._pulumi([*arguments, "--event-log", str(events)], capture=False, debug=True).returncode
            if code:
                raise Failure(f"pulumi {arguments[0]} of stack {self.name} failed{_because(errors(events))}")
        finally:
            events.unlink(missing_ok=True)

    def _checked(self, arguments: Sequence[str], *, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        finished = self._pulumi(arguments, capture=True, stdin=stdin)
        if finished.returncode:
            raise Failure(f"pulumi {' '.join(arguments[:2])} failed: {finished.stderr.strip()}")
        return finished

    def _pulumi(
        self, arguments: Sequence[str], *, capture: bool, stdin: str | None = None, debug: bool = False
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self.environment, "PULUMI_STACK": self.name}
        if debug:
            environment["PULUMI_DEBUG_COMMANDS"] = "true"  # or it does not know --event-log
        process = subprocess.Popen(
            ["pulumi", *arguments],
            cwd=self.root,
            env=environment,
            stdin=None if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
            text=True,
        )
        with self._own_file_unchanged(), _interrupts_left_to(process):
            out, err = process.communicate(stdin)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _own_file_unchanged(self) -> AbstractContextManager[None]:
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in self.environment:  # the user's own passphrase: its salt is theirs too
            return nullcontext()
        return stack_file.unchanged(self.root / f"Pulumi.{self.name}.yaml")


class _interrupts_left_to:
    """Ctrl-C reaches pulumi through the terminal, and it may take its time to end in order; SIGTERM becomes one."""

    def __init__(self, process: subprocess.Popen[str]):
        self._process = process

    def __enter__(self) -> None:
        self._before = (
            signal.signal(signal.SIGINT, lambda *_: say("   ... waiting for pulumi to end what it is doing")),
            signal.signal(signal.SIGTERM, lambda *_: self._process.send_signal(signal.SIGINT)),
        )

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before[0])
        signal.signal(signal.SIGTERM, self._before[1])


def _because(messages: Sequence[str]) -> str:
    """The known cause, else the first error that says more than that the update failed."""
    reason = cause("\n".join(messages)) or next((text for text in messages if text != "update failed"), None)
    return f": {reason}" if reason else "."


def errors(events: Path) -> list[str]:
    """The messages of severity error in an engine's event log, without its marks for colours."""
    if not events.exists():
        return []
    parsed = (json.loads(line) for line in events.read_text().splitlines() if line.strip())
    diagnostics = (event.get("diagnosticEvent", {}) for event in parsed)
    messages = (found["message"] for found in diagnostics if found.get("severity") == "error")
    return [re.sub(r"<\{%.*?%\}>", "", message).removeprefix("error: ").strip() for message in messages]
