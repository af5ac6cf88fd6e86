"""A browser as far as this server can tell: cookies, and the headers that browsers send."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from mlflow_platform.server.kept import SESSIONS, Kept

from tests.plugin.web_logins import Person

if TYPE_CHECKING:
    from tests.plugin.conftest import Server

NAVIGATE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "none", "Accept": "text/html"}
FETCH = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin", "Accept": "*/*"}
FROM_A_FORM = {**NAVIGATE, "Sec-Fetch-Site": "same-origin"}
ME = "/ajax-api/2.0/mlflow/users/current"


class Browser:
    """One browser with cookies of its own; each request is a new connection, so that every worker has its turn."""

    def __init__(self, server: "Server"):
        self.realm = server.realm
        self.origin = str(server.http.base_url).rstrip("/")
        no_reuse = httpx.Limits(max_keepalive_connections=0)
        self.http = httpx.Client(base_url=self.origin, timeout=20, trust_env=False, limits=no_reuse)

    def open(self, path: str) -> httpx.Response:
        """What is typed into the address bar."""
        return self.http.get(path, headers=NAVIGATE)

    def fetch(self, path: str = ME, method: str = "GET", **options: Any) -> httpx.Response:
        """What a script of MLflow's page asks for."""
        headers = {**FETCH, **({} if method == "GET" else {"Origin": self.origin}), **options.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **options)

    def begin(self, return_to: str = "/") -> str:
        """The login page that the server sends to."""
        return self.http.get("/oidc/login", params={"return_to": return_to}, headers=NAVIGATE).headers["location"]

    def come_back(self, url: str) -> httpx.Response:
        parts = urlsplit(url)
        headers = {**NAVIGATE, "Sec-Fetch-Site": "cross-site"}
        return self.http.get(f"{parts.path}?{parts.query}", headers=headers)

    def log_in(self, person: Person | None = None, return_to: str = "/") -> httpx.Response:
        """From the login link to the page that was asked for."""
        return self.come_back(self.realm.web.authorize(self.begin(return_to), person or Person()))

    def log_out(self, **headers: str) -> httpx.Response:
        return self.http.post("/oidc/logout", headers={**FROM_A_FORM, "Origin": self.origin, **headers})

    @property
    def session_cookie(self) -> tuple[str, str]:
        """Its name and value."""
        ours = [cookie for cookie in self.http.cookies.jar if cookie.path == "/"]
        assert len(ours) == 1
        return ours[0].name, ours[0].value or ""


def database(server: "Server") -> Path:
    return server.log_file.parent / "auth.db"


def change(server: "Server", person: Person, assignment: str) -> None:
    """Makes the person's session older, or otherwise what it would become, and says so to the workers."""
    with sqlite3.connect(database(server), timeout=20) as connection:
        changed = connection.execute(
            f"UPDATE mlflow_platform_sessions SET {assignment} WHERE sid = ?", (person.sid,)
        ).rowcount
    connection.close()
    Kept(server.stamps, SESSIONS).written()
    assert changed == 1


def sessions(server: "Server", person: Person, which: str = "TRUE") -> int:
    """How many the person has, of all or of those of which that is true."""
    connection = sqlite3.connect(database(server), timeout=20)
    query = f"SELECT count(*) FROM mlflow_platform_sessions WHERE sid = ? AND {which}"
    (number,) = connection.execute(query, (person.sid,)).fetchone()
    connection.close()
    return number


def statuses(browser: Browser, number: int = 8) -> set[int]:
    """Of several requests, so that every worker had one."""
    return {browser.fetch().status_code for _ in range(number)}


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
