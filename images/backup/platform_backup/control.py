"""How the launcher asks the running service: a socket in memory, a JSON request, progress, and then how it ended."""

import json
import socket
import socketserver
import sys
from typing import TYPE_CHECKING, Any

from platform_backup.config import RUN

if TYPE_CHECKING:
    from platform_backup.service import Service

_SOCKET = RUN / "control.sock"


class Refused(Exception):
    """The service did not do it, for the reason that the message names."""


def serve(service: "Service") -> None:
    """For ever."""
    _SOCKET.unlink(missing_ok=True)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = json.loads(self.rfile.readline())
            try:
                self._done(request)
            except Exception as error:
                self._send({"error": " ".join(str(error).split())})

        def _done(self, request: dict[str, Any]) -> None:
            if request["do"] == "now":
                made = service.backup(self._tell, whole=True, base=request["base"])
                self._send(
                    {"done": f"backup of {made.when}: " + ", ".join(f"{n:,} {what}" for what, n in made.counts.items())}
                )
            else:
                service.verify(self._tell, deep=request["deep"])
                self._send({"done": "verified"})

        def _tell(self, text: str) -> None:
            self._send({"tell": text})

        def _send(self, said: dict[str, Any]) -> None:
            self.wfile.write(json.dumps(said).encode() + b"\n")

    with socketserver.ThreadingUnixStreamServer(str(_SOCKET), Handler) as server:
        _SOCKET.chmod(0o600)
        server.serve_forever()


def ask(request: dict[str, Any]) -> int:
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(_SOCKET))
        except OSError:
            raise Refused("the backup service is still starting") from None
        asking.sendall(json.dumps(request).encode() + b"\n")
        for line in asking.makefile():
            match json.loads(line):
                case {"tell": text}:
                    print(f"   {text}", flush=True)
                case {"done": text}:
                    print(text)
                    return 0
                case {"error": why}:
                    raise Refused(why)
    print("error: the backup service ended meanwhile", file=sys.stderr)
    return 1
