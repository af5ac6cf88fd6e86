"""Makes a stack usable again after pulumi was killed in the middle of an update."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from launcher.console import say

# Docker refuses a second one of the same name; everything else is created again without harm, or says what is there.
_LEFTOVERS = {
    "docker:index/container:Container": ["docker", "rm", "--force", "--volumes"],
    "docker:index/network:Network": ["docker", "network", "rm"],
}

_HOST = b"pulumi-language-python"


def remove_stale_locks(state: Path, stack: str) -> None:
    """Removes locks of the local backend whose owner, a pulumi on this machine, is gone."""
    for lock in (state / ".pulumi" / "locks").glob(f"**/{stack}/*.json"):
        owner = json.loads(lock.read_text() or "{}")
        if owner.get("hostname") == socket.gethostname() and not _is_pulumi(int(owner["pid"])):
            lock.unlink(missing_ok=True)
            say(f" ! removed the lock that a killed pulumi (process {owner['pid']}) left on stack {stack}")


def end_language_hosts(root: Path, stack: str) -> None:
    """Ends those that run this program for the stack and whose pulumi is gone; they would wait for it for ever."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            ours = any(part.endswith(_HOST) for part in command[:2]) and (process / "cwd").readlink() == root
            if not ours or f"PULUMI_STACK={stack}".encode() not in (process / "environ").read_bytes().split(b"\0"):
                continue
            if not _is_pulumi(int(_stat(process.name)[2])):
                os.kill(int(process.name), signal.SIGTERM)
                say(f" ! ended the language host (process {process.name}) of a pulumi that was killed")
        except OSError:  # it has just ended, or is somebody else's
            continue


def _is_pulumi(pid: int) -> bool:
    """Whether it runs; one that was killed keeps its name until its parent asks what became of it, if it ever does."""
    try:
        name, state, *_ = _stat(pid)
    except OSError:
        return False
    return "pulumi" in name and state != "Z"


def _stat(pid: int | str) -> list[str]:
    """Of a process its name, its state, its parent's id and more (proc(5)). Raises OSError where it is gone."""
    name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    return [name, *rest.split()]


def without_pending(exported: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state without the operations that never ended, or None when there are none.

    Updates and deletions are simply made again. What a creation may have left behind is removed first.
    """
    deployment = exported.get("deployment") or {}
    pending = deployment.get("pending_operations")
    if not pending:
        return None
    for operation in pending:
        resource = operation["resource"]
        say(f" ! {operation['type']} {resource['urn'].rpartition('::')[2]} was interrupted; it is made again")
        if operation["type"] == "creating" and (command := _LEFTOVERS.get(resource["type"])):
            name = resource.get("inputs", {}).get("name")
            if isinstance(name, str):
                subprocess.run([*command, name], env=os.environ, capture_output=True, check=False)
    return {**exported, "deployment": {**deployment, "pending_operations": []}}
