"""One stack of the program: what `pulumi` is asked to do with it."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import repair, stack_file
from launcher.console import Failure, on_terminal, say
from launcher.explain import cause
from launcher.progress import Progress
from launcher.state import State, folder, plain

_TALKATIVE = ("up", "preview", "refresh", "destroy")
_OF_THE_DISPLAY = ("--debug", "-d", "--diff", "--help", "-h", "--json", "-j", "--output", "--show")


@dataclass(frozen=True)
class Stack:
    name: str
    root: Path
    own: Path
    environment: Mapping[str, str]

    def make_ready(self) -> State:
        """Makes the stack unless it is there, or puts an interrupted update in order; the state as it was found."""
        if states := folder(self.own):
            repair.remove_stale_locks(states, self.name)
        repair.end_language_hosts(self.root, self.name)
        exported = self._pulumi(["stack", "export"], capture=True)
        if exported.returncode:
            self._checked(["stack", "init", self.name, "--non-interactive"])
            return State({})
        state = json.loads(exported.stdout)
        if repaired := repair.without_pending(state):
            self._checked(["stack", "import", "--force"], stdin=json.dumps(repaired))
        return State(state.get("deployment") or {})

    def exists(self) -> bool:
        return self._pulumi(["stack", "export"], capture=True).returncode == 0

    def state(self, *, secrets: bool = False) -> State:
        command = ["stack", "export", *(["--show-secrets"] if secrets else [])]
        return State(json.loads(self._checked(command).stdout).get("deployment") or {})

    def replace_state(self, state: State) -> None:
        """Takes this for what was made; operations that were interrupted are not part of it."""
        deployment = {**state.deployment, "pending_operations": []}
        self._checked(["stack", "import"], stdin=json.dumps({"version": 3, "deployment": deployment}))

    def secrets_provider(self) -> Any:
        """Whatever encrypts this stack's secrets, for a state that another one has encrypted."""
        return json.loads(self._checked(["stack", "export"]).stdout)["deployment"].get("secrets_providers")

    def plan(self) -> list[dict[str, Any]]:
        """The steps that an update would take; none when the program fails before, which `up` then explains."""
        preview = self._pulumi(["preview", "--json"], capture=True)
        return json.loads(preview.stdout).get("steps", []) if preview.returncode == 0 else []

    def planned(self) -> dict[str, dict[str, Any]]:
        """By URN, the inputs that an update would give to what it makes or has made, secrets readable."""
        file = os.memfd_create("plan")  # in memory alone, and gone with this process
        try:
            path = f"/proc/{os.getpid()}/fd/{file}"
            self._checked(["preview", "--save-plan", path, "--show-secrets"], PULUMI_EXPERIMENTAL="true")
            plans = json.loads(Path(path).read_bytes())["resourcePlans"]
        finally:
            os.close(file)
        before = {resource["urn"]: resource.get("inputs") or {} for resource in self.state(secrets=True).resources}
        changes = {urn: (plan.get("goal") or {}).get("inputDiff") or {} for urn, plan in plans.items()}
        return {
            urn: plain({**before.get(urn, {}), **(diff.get("adds") or {}), **(diff.get("updates") or {})})
            for urn, diff in changes.items()
        }

    def up(self, part: str | None = None) -> None:
        """All of it, or what one of the program's components is made of."""
        target = ["--target", f"urn:pulumi:{self.name}::**mlflow-platform:index:{part}$**"] if part else []
        self._explained(["up", "--yes", "--skip-preview", *target])

    def destroy(self) -> None:
        self._explained(["destroy", "--yes", "--skip-preview"])

    def outputs(self, *, secrets: bool) -> dict[str, Any]:
        command = ["stack", "output", "--json", *(["--show-secrets"] if secrets else [])]
        return json.loads(self._checked(command).stdout or "{}")

    def run(self, arguments: Sequence[str]) -> int:
        """Runs pulumi as it is, but for a log where no display of Pulumi's is asked for; the exit code."""
        talks = bool(arguments) and arguments[0] in _TALKATIVE
        if talks and not on_terminal() and not any(option.startswith(_OF_THE_DISPLAY) for option in arguments):
            self._told(arguments)
            return 0
        return self._pulumi(arguments, capture=False).returncode

    def _told(self, arguments: Sequence[str]) -> None:
        """Runs an operation where nobody sees lines change: each thing that is done is a line, each error told once."""
        progress = Progress(arguments[0])
        code = self._pulumi([*arguments, "--json", "--color=never"], follow=progress.follow).returncode
        if code:
            raise Failure(f"pulumi {arguments[0]} of stack {self.name} failed{progress.failure()}")

    def _explained(self, arguments: Sequence[str]) -> None:
        """Runs an update; when it fails, the engine's own errors tell the reason."""
        if not on_terminal():
            return self._told(arguments)
        events = self.own / f"events-{self.name}.jsonl"
        events.unlink(missing_ok=True)
        try:
            code = self._pulumi([*arguments, "--event-log", str(events)], capture=False, debug=True).returncode
            if code:
                raise Failure(f"pulumi {arguments[0]} of stack {self.name} failed{_because(errors(events))}")
        finally:
            events.unlink(missing_ok=True)

    def _checked(
        self, arguments: Sequence[str], *, stdin: str | None = None, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """`more` is environment."""
        finished = self._pulumi(arguments, capture=True, stdin=stdin, more=more)
        if finished.returncode:
            said = finished.stderr.strip()
            raise Failure(f"pulumi {' '.join(arguments[:2])} failed: {cause(said) or said}")
        return finished

    def _pulumi(
        self,
        arguments: Sequence[str],
        *,
        capture: bool = False,
        stdin: str | None = None,
        more: Mapping[str, str] | None = None,
        debug: bool = False,
        follow: Callable[[Iterable[str]], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Runs pulumi on the terminal, with its output kept, or with each line of it given to `follow`."""
        environment = {**os.environ, **self.environment, "PULUMI_STACK": self.name, **(more or {})}
        if debug:
            environment["PULUMI_DEBUG_COMMANDS"] = "true"  # or it does not know --event-log
        if follow:
            environment["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
        pipe = subprocess.PIPE if capture else None
        with self._own_file_unchanged(), _Interrupts() as interrupts:
            process = subprocess.Popen(
                ["pulumi", *arguments],
                cwd=self.root,
                env=environment,
                stdin=None if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE if follow else pipe,
                stderr=pipe,
                text=True,
            )
            interrupts.leave_to(process)
            if follow and process.stdout:
                follow(process.stdout)
            out, err = process.communicate(stdin)
        if interrupts.seen and process.returncode:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def _own_file_unchanged(self) -> AbstractContextManager[None]:
        if "PULUMI_CONFIG_PASSPHRASE_FILE" not in self.environment:  # the user's own passphrase: its salt is theirs too
            return nullcontext()
        name = f"Pulumi.{self.name}.yaml"
        return stack_file.unchanged(self.root / name, self.own / f"{name}.before")


class _Interrupts:
    """Keeps the launcher alive while pulumi, which an interrupt reaches too, takes its time to end in order."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "_Interrupts":
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def leave_to(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if signal.SIGTERM in self.seen:
            process.send_signal(signal.SIGINT)

    def _note(self, number: int, _: object) -> None:
        self.seen.append(number)
        say("   ... waiting for pulumi to end what it is doing")
        if number == signal.SIGTERM and self._process:  # the terminal sends Ctrl-C to pulumi itself
            self._process.send_signal(signal.SIGINT)


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
