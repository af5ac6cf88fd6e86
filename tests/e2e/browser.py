"""A person at a real browser: Debian's Chromium, which here reaches this machine and nothing else."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from playwright.sync_api import Browser, expect, sync_playwright

from launcher.browser import PROGRAM
from tests.e2e.checkouts import ROOT

SCREENSHOTS = ROOT / ".platform" / "artifacts" / "screenshots"

_THIS_MACHINE = ("localhost", "127.0.0.1", "*.localhost")
_PATIENCE = 30_000  # milliseconds, for whatever a busy machine has yet to show

expect.set_options(timeout=_PATIENCE)


@contextmanager
def chromium(home: Path | None = None, also: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser; in the home are the certificates that its user trusts, `also` are more addresses that it reaches."""
    reached = ", ".join(f"EXCLUDE {host}" for host in (*_THIS_MACHINE, *also))
    arguments = [
        "--no-sandbox",  # Chromium's own does not run as root
        "--no-proxy-server",
        f"--host-resolver-rules=MAP * ~NOTFOUND, {reached}",
    ]
    program = shutil.which(PROGRAM)
    assert program, f"there is no {PROGRAM} on PATH: run these tests with ./platform test, which installs it"
    with sync_playwright() as driver:
        environment: dict[str, str | float | bool] = {**os.environ, **({"HOME": str(home)} if home else {})}
        browser = driver.chromium.launch(executable_path=program, args=arguments, env=environment)
        try:
            yield browser
        finally:
            browser.close()


def home_that_trusts(home: Path, authority: Path) -> Path:
    """A browser's home, whose user was given an authority's certificate."""
    database = home / ".pki" / "nssdb"
    database.mkdir(parents=True)
    certutil = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*certutil, "-N", "--empty-password"], check=True)
    subprocess.run([*certutil, "-A", "-n", "e2e", "-t", "C,,", "-i", authority], check=True)
    return home


class Person:
    """Has a browser of his own, without anybody's cookies; every step that he takes leaves a screenshot."""

    def __init__(self, browser: Browser, passwords: dict[str, str], name: str):
        self._passwords = passwords
        self._name = name
        self._steps = 0
        self._asked: set[str] = set()
        self.context = browser.new_context(viewport={"width": 1280, "height": 800})
        self.context.set_default_timeout(_PATIENCE)
        self.context.on("request", lambda request: self._asked.add(request.url))
        self.page = self.context.new_page()

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="domcontentloaded")

    def log_in(self, user: str) -> None:
        """Fills in Keycloak's form, on whose page the browser is or gets to by itself."""
        self.page.locator("#username").fill(user)
        # Not by fill(), which quotes the value when it fails.
        self.page.locator("#password").evaluate("(field, value) => field.value = value", self._passwords[user])
        self.saw("login form")
        self.page.locator("#kc-login").click()

    def saw(self, what: str) -> None:
        """Keeps a screenshot of the page; browsers mask what is typed into a password field."""
        self._steps += 1
        name = f"{self._name} {self._steps} {what}.png".replace(" ", "-")
        self.page.screenshot(path=SCREENSHOTS / name)

    def cookies(self) -> dict[str, str]:
        """Those that scripts do not see, by name: what keeps him logged in."""
        return {it.get("name", ""): it.get("value", "") for it in self.context.cookies() if it.get("httpOnly")}

    def elsewhere(self) -> set[str]:
        """Hosts that the pages asked for and that are not this machine."""
        hosts = {urlsplit(url).hostname for url in self._asked if url.startswith(("http", "ws"))}
        return {host for host in hosts if host and not any(fnmatch(host, ours) for ours in _THIS_MACHINE)}

    def leave(self) -> None:
        self.saw("the end")
        self.context.close()


@contextmanager
def page_elsewhere(html: str) -> Iterator[int]:
    """Somebody else's page, on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()
