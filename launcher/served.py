"""The certificate that each site serves, looked at where it is served and not where it was made."""

import json
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launcher.console import Failure
from launcher.doors import Doors
from launcher.state import State

_ROOT = Path(__file__).parent.parent
_ANSWER = 5.0
_KEEPER = "certificates"  # the container's resource in the program
_STATUS = "/certificates/served/status.json"


@dataclass(frozen=True)
class Certificate:
    """What a site's visitors are shown; `wrong` says why it is not well."""

    site: str
    issuer: str
    names: tuple[str, ...]
    until: datetime | None
    wrong: str | None

    def left(self, now: datetime) -> str:
        """In whole days, or in hours when there are few."""
        if self.until is None:
            return "-"
        left = self.until - now
        if left < timedelta():
            return "expired"
        return f"{left.days} days" if left.days > 1 else f"{left // timedelta(hours=1)} h"


def certificates(state: State, python: Path, now: datetime) -> list[Certificate]:
    """One for each site that has https here; none where a load balancer has it."""
    doors = Doors(state)
    urls = [url for url in doors.urls if urlsplit(url).scheme == "https" and not doors.elsewhere(url)]
    served: dict[str, str] = {}
    refused: dict[str, Certificate] = {}
    for url in urls:
        try:
            served[url] = doors.certificate(url, _ANSWER)
        except OSError as error:
            refused[url] = Certificate(_host(url), "-", (), None, f"none is served ({error})")
    known = dict(zip(served, _read(list(served.values()), python), strict=True))
    return [refused[url] if url in refused else _judged(_host(url), known[url], now) for url in urls]


@dataclass(frozen=True)
class Trouble:
    """What the keeper of an ACME certificate says; `red` where there is no certificate yet that clients could trust."""

    message: str
    red: bool


def trouble(state: State) -> Trouble | None:
    """What went wrong at its last attempt, and when the next one is."""
    keeper = next((made for made in state.made if (made.kind, made.resource) == ("container", _KEEPER)), None)
    if keeper is None:
        return None
    command = ["docker", "exec", keeper.id, "cat", _STATUS]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=4 * _ANSWER, check=False)
    try:
        said = json.loads(asked.stdout)
    except ValueError:  # a stack without ACME has no such file
        return None
    if error := said.get("error"):
        return Trouble(f"{error} (next attempt: {said.get('next_attempt')})", not said["issued"])
    return None if said["issued"] else Trouble("no certificate has been issued yet; a placeholder is served", True)


def _host(url: str) -> str:
    return urlsplit(url).hostname or url


def _read(pems: list[str], python: Path) -> list[dict[str, Any]]:
    if not pems:
        return []
    command = [python, "-m", "launcher.read_certificates"]
    asked = subprocess.run(
        command, input=json.dumps(pems), capture_output=True, text=True, check=False, timeout=60, cwd=_ROOT
    )
    if asked.returncode:
        raise Failure(f"cannot read the certificates that are served: {asked.stderr.strip().rpartition(chr(10))[2]}")
    return [json.loads(line) for line in asked.stdout.splitlines()]


def _judged(site: str, found: dict[str, Any], now: datetime) -> Certificate:
    since, until = datetime.fromisoformat(found["since"]), datetime.fromisoformat(found["until"])
    names = tuple(found["names"])
    return Certificate(site, found["issuer"], names, until, _wrong(site, names, since, until, now))


def _wrong(site: str, names: tuple[str, ...], since: datetime, until: datetime, now: datetime) -> str | None:
    """However long it lives, a third of that is time enough to see that nothing renews it."""
    if now > until:
        return "has expired"
    if not {site, f"*.{site.partition('.')[2]}"} & set(names):
        return f"is for {', '.join(names) or 'no name'}"
    if until - now < (until - since) / 3:
        return "is in the last third of its life, and was not renewed"
    return None
