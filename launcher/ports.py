"""Finds out before anything is made whether a port that the stack wants is taken."""

import errno
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launcher.console import Failure

_CONTAINER = "docker:index/container:Container"


def check_free(steps: Iterable[Mapping[str, Any]]) -> None:
    """Fails with all taken ports that the steps of a preview would publish on this machine."""
    taken = sorted({port for address, port in _published(steps) if not _is_free(address, port)})
    if taken:
        ports = f"port{'s' if len(taken) > 1 else ''} {', '.join(map(str, taken))}"
        raise Failure(f"{ports} already in use: stop what listens there, or choose others in the stack's file.")


def _published(steps: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, int]]:
    for step in steps:
        state = step.get("newState") or {}
        if step.get("op") == "create" and state.get("type") == _CONTAINER:
            for port in state["inputs"].get("ports", []):
                if isinstance(port.get("external"), int) and port.get("protocol", "tcp") == "tcp":
                    yield port.get("ip", "0.0.0.0"), port["external"]


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True
