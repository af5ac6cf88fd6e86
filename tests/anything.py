"""What others may send: any JSON, and HTTP answers of any status, header and body."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hypothesis import strategies as st

# With halves of surrogate pairs, which no encoding takes and JSON can escape.
TEXT = st.text(st.characters(), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
NESTED = b"[" * 20_000  # deeper than any parser goes
NO_JSON = st.binary(max_size=40) | st.sampled_from([b"", b"{", NESTED, b'"\xff"', b"1" * 5000])
STATUS = st.just(200) | st.sampled_from([201, 204, 302, 307, 400, 401, 403, 404, 429, 500, 502, 503])
HEADERS = st.just({}) | st.dictionaries(
    st.sampled_from(["Location", "Content-Type", "Content-Encoding", "Set-Cookie"]),
    st.sampled_from(["/elsewhere", "//", "http:", "text/xml; charset=x", "gzip", "br", "a=b; Domain=c"]),
    max_size=2,
)


def bodies(good: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """The good object with other values in some places, now and then any other JSON, or none at all."""
    changed = st.dictionaries(st.sampled_from([*good]), values, max_size=2).map(lambda changes: {**good, **changes})
    return (changed | changed | changed | JSON).map(lambda document: json.dumps(document).encode()) | NO_JSON


@dataclass
class AnyServer:
    """Answers every request alike; `paths` is what it was asked for."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    paths: list[str] = field(default_factory=list)
    url: str = ""

    def will_answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        self.paths.clear()


@contextmanager
def any_server() -> Iterator[AnyServer]:
    answers = AnyServer()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answers.paths.append(self.path)
            self.send_response(answers.status)
            for name, value in {**answers.headers, "Content-Length": str(len(answers.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answers.body)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    answers.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield answers
    server.shutdown()
    server.server_close()


class ByPath(BaseHTTPRequestHandler):
    """Answers each path with a status and a body, and any other with 404; whoever serves it sets what."""

    answers: dict[str, tuple[int, str]] = {}
    authorizations: list[str] = []

    def do_GET(self) -> None:
        status, body = self.answers.get(self.path, (404, ""))
        self.authorizations.append(self.headers.get("Authorization", ""))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served_by_path() -> Iterator[str]:
    """The address of a server that answers by path."""
    ByPath.answers, ByPath.authorizations = {}, []
    with ThreadingHTTPServer(("127.0.0.1", 0), ByPath) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
