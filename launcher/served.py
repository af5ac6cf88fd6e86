"""The certificate that each site serves, looked at where it is served and not where it was made."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launcher.console import Failure, duration, say
from launcher.doors import Doors
from launcher.state import State

_ROOT = Path(__file__).parent.parent
_ANSWER = 5.0
_FIRST = 120.0  # seconds, in which a server that says yes has said it
_KEEPER = "certificates"  # the container's resource in the program
_STATUS = "/certificates/served/status.json"
_PLACEHOLDER = "Placeholder until a certificate is issued"  # as `images/certificates/keeper.py` calls itself


@dataclass(frozen=True)
class Certificate:
    """What a site's visitors are shown; `wrong` says why it is not well, and `state` the same in a word."""

    site: str
    """Host, and port where it does not go without saying."""
    state: str
    issuer: str = "-"
    names: tuple[str, ...] = ()
    until: datetime | None = None
    wrong: str | None = None

    def left(self, now: datetime) -> str:
        """In whole days, or in hours or minutes when there are few."""
        if self.until is None:
            return "-"
        left = self.until - now
        if left < timedelta():
            return "-"
        if left.days > 1:
            return f"{left.days} days"
        hours = left // timedelta(hours=1)
        return f"{hours} h" if hours else f"{left // timedelta(minutes=1)} min"


def certificates(state: State, python: Path, now: datetime) -> list[Certificate]:
    """One for each site that has https here; none where a load balancer has it.

    Raises Failure where there is no Python to read them with (`python` is the program's own).
    """
    doors = Doors(state)
    urls = [url for url in doors.urls if urlsplit(url).scheme == "https" and not doors.leads_elsewhere(url)]
    served: dict[str, str] = {}
    refused: dict[str, Certificate] = {}
    for url in urls:
        try:
            served[url] = doors.certificate(url, _ANSWER)
        except (OSError, ValueError) as error:
            refused[url] = Certificate(urlsplit(url).netloc, "none", wrong=f"serves no certificate ({error})")
    known = dict(zip(served, _read(list(served.values()), python), strict=True))
    return [refused[url] if url in refused else _judged(url, known[url], now) for url in urls]


@dataclass(frozen=True)
class Trouble:
    """What the keeper of an ACME certificate says."""

    message: str
    red: bool
    """Whether there is no certificate yet for all that the settings ask for."""
    failed: bool = True
    """Whether anything went wrong; else the first certificate is on its way."""


def until_issued(state: State, within: float = _FIRST) -> Trouble | None:
    """Waits for the first certificate while nothing speaks against it; what is the matter then, if anything is."""
    deadline = time.monotonic() + within
    waiting = False
    while (found := trouble(state)) and not found.failed and time.monotonic() < deadline:
        if not waiting:
            say("   waiting for the first certificate ...")
            waiting = True
        time.sleep(1)
    return found


def trouble(state: State) -> Trouble | None:
    """What went wrong at its last attempt, and when the next one is."""
    keeper = next((made for made in state.made if (made.kind, made.resource) == ("container", _KEEPER)), None)
    if keeper is None:
        return None
    command = ["docker", "exec", keeper.id, "cat", _STATUS]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=4 * _ANSWER, check=False)
        said = json.loads(asked.stdout)
    except subprocess.TimeoutExpired:
        return Trouble(f"{keeper.name} does not say within {duration(4 * _ANSWER)} how renewals go", red=False)
    except ValueError:  # a stack without ACME has no such file
        return None
    issued, error = said["issued"], said["error"]
    if issued and not error:
        return None
    reason = f"{error.rstrip('.')}." if error else "No certificate has been issued yet."
    at = datetime.fromisoformat(said["next_attempt"]).astimezone(UTC)
    message = f"{reason} What is served goes on; the next attempt is at {at:%Y-%m-%d %H:%M} UTC."
    return Trouble(message, red=not issued, failed=bool(error))


def _read(pems: Sequence[str], python: Path) -> list[dict[str, Any]]:
    if not pems:
        return []
    command = [python, "-m", "launcher.read_certificates"]
    try:
        asked = subprocess.run(
            command, input=json.dumps(pems), capture_output=True, text=True, check=False, timeout=60, cwd=_ROOT
        )
    except FileNotFoundError:
        raise Failure(f"Certificates are read with {python}, which is missing; ./platform up makes it.") from None
    if asked.returncode:
        raise Failure(f"cannot read the certificates that are served: {asked.stderr.strip().rpartition(chr(10))[2]}")
    return [json.loads(line) for line in asked.stdout.splitlines()]


def _judged(url: str, found: dict[str, Any], now: datetime) -> Certificate:
    since, until = datetime.fromisoformat(found["since"]), datetime.fromisoformat(found["until"])
    host = urlsplit(url).hostname or ""
    names = tuple(sorted(found["names"], key=lambda name: not _covered(host, [name])))  # the one that it goes by first
    if found["issuer"] == _PLACEHOLDER:
        state, wrong = "not issued", "has a placeholder until a certificate is issued; browsers warn of it"
    else:
        state, wrong = _verdict(host, names, since, until, now)
    return Certificate(urlsplit(url).netloc, state, found["issuer"], names, until, wrong)


def _verdict(
    host: str, names: Sequence[str], since: datetime, until: datetime, now: datetime
) -> tuple[str, str | None]:
    """However long it lives, a third of that is time enough to see that nothing renews it."""
    if now > until:
        return "expired", f"has a certificate that has expired on {until:%Y-%m-%d %H:%M} UTC"
    if now < since:
        return "too early", f"has a certificate that is valid only from {since:%Y-%m-%d %H:%M} UTC"
    if not _covered(host, names):
        return "other name", f"has a certificate for {', '.join(names) or 'no name'}"
    if until - now < (until - since) / 3:
        return "old", "has a certificate in the last third of its life, which should have been renewed"
    return "well", None


def _covered(host: str, names: Sequence[str]) -> bool:
    """As browsers see it: a wildcard stands for one label of a name, and for nothing of an address."""
    try:
        ip_address(host)
    except ValueError:
        return bool({host, f"*.{host.partition('.')[2]}"} & {name.lower() for name in names})
    return host in names
