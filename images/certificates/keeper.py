"""Keeps one certificate of an ACME server, and NGINX supplied with it.

certbot speaks ACME; when to ask, and what to do meanwhile, is decided here, because a loop of `certbot renew`
 - has nothing to serve before the first certificate (here a placeholder is: NGINX must be up for the challenge),
 - asks whenever it is started (here the time of the next attempt is on disk before an attempt is made: a container
   that restarts for ever asks no more often than another),
 - renews what it once got (here other domains, another server or kind of key are a new certificate at once),
 - and says how it went in a log alone (here in status.json, too).

Let's Encrypt allows 5 failed validations per name and hour (one more each 12 min) and 5 certificates for the same names
in 7 days (one more each 34 h): https://letsencrypt.org/docs/rate-limits/, as of June 2025. With the first retry after
5 min, then doubled, an hour sees 4 attempts; a success is never asked for again before it is due.
Times are seconds, those in time since the epoch. Needs certbot and openssl on PATH.
"""

import json
import os
import random
import re
import shutil
import signal
import ssl
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from subprocess import PIPE, STDOUT, TimeoutExpired, run
from typing import Any, Self

HERE = Path(__file__).resolve().parent
SERVED = Path("/certificates/served")
CHALLENGES = Path("/certificates/challenges")
ACME = Path("/certificates/acme")
CERTBOT = ACME / "certbot"
NAME = "served"  # certbot's for the one certificate it has here
CHAIN = CERTBOT / "live" / NAME / "fullchain.pem"
KEY = CERTBOT / "live" / NAME / "privkey.pem"

DUE_BELOW = 0.4  # of its life left: `status` is red below a third, and must not be while all is well
CERTBOTS_DUE = 30 * 86400  # of its life left: from there on certbot 4.0 renews, which short lives are all of the time
LONGEST_RETRY = 6 * 3600
LONGEST_RUN = 600  # of certbot; it gives up each of its requests after 45 s
LONGEST_WAIT = 60  # for NGINX, which starts after this


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What acme.json says."""

    email: str | None
    directory: str  # URL of the ACME server's directory
    key_type: str
    domains: list[str]  # in small letters, as certificates have them
    check_seconds: float
    retry_seconds: float  # until the second attempt, when the first has failed
    gateway: str | None = None  # NGINX's host and port for challenges, as the platform's network has it


@dataclass(frozen=True, kw_only=True)
class State:
    """What is remembered from one start to the next."""

    settings: dict[str, Any]  # that the rest is about
    failures: int = 0  # in a row
    next_attempt: float = 0
    error: str | None = None


@dataclass(frozen=True)
class Certificate:
    """What there is to know about a certificate, and whether it is good enough."""

    starts: float
    ends: float
    domains: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None where there is no certificate that could be read."""
        _, text = _run("openssl", "x509", "-in", path, "-noout", "-startdate", "-enddate", "-ext", "subjectAltName")
        dates = re.search(r"^notBefore=(.+)\nnotAfter=(.+)$", text, re.MULTILINE)
        starts, ends = map(ssl.cert_time_to_seconds, dates.groups()) if dates else (0, 0)
        return cls(starts, ends, frozenset(re.findall(r"DNS:([^,\s]+)", text))) if dates else None

    @property
    def due(self) -> float:
        return self.ends - (self.ends - self.starts) * DUE_BELOW

    @property
    def ended(self) -> bool:
        return time.time() >= self.ends


class Keeper:
    """The certificate of one volume. `serve` and `attempt` may be called at any time, and killed at any."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._names = ", ".join(settings.domains)
        SERVED.mkdir(exist_ok=True)
        ACME.mkdir(mode=0o700, exist_ok=True)
        self._state = self._remembered()

    def run(self) -> None:
        self.serve()
        while True:
            while (left := self._state.next_attempt - time.time()) > 0:
                time.sleep(min(left, 60))  # short, because the machine's clock may be set, or the machine sleep
            self._wait_for_gateway()
            self.attempt()

    def serve(self) -> None:
        """Sees that NGINX has something: the ACME server's certificate, or what was there before, or a placeholder."""
        live, served = Certificate.read(CHAIN), self._certificate_served()
        self._undeployed = None
        try:
            if live and not (live.ended and served):
                self._deploy(CHAIN, KEY)
            elif not served or (not live and (served.ended or not served.domains.issuperset(self._settings.domains))):
                self._deploy_placeholder()
        except OSError as error:
            self._undeployed = f"NGINX could not be given a certificate: {error}."
            print(self._undeployed, flush=True)
        self._write_status()

    def attempt(self) -> None:
        """Lets certbot get what is needed. The time of the next attempt is on disk before this one begins."""
        failures = self._state.failures
        retry = min(self._settings.retry_seconds * 2 ** min(failures, 20), LONGEST_RETRY) * random.uniform(1, 1.1)
        self._remember(replace(self._state, failures=failures + 1, next_attempt=time.time() + retry))

        before = Certificate.read(CHAIN)
        self._remember(replace(self._state, error=self._ask()))
        held = Certificate.read(CHAIN)
        if held != before:
            print(f"The ACME server has issued a certificate for {self._names}.", flush=True)
        self.serve()
        problem = self._state.error or self._undeployed
        if problem or not held:
            print(f"{problem} What is served goes on; the next attempt is in {retry:.0f} s.", flush=True)
            return
        # At no time that all installations share, and not after the certificate has become due.
        check = time.time() + self._settings.check_seconds * random.uniform(0.5, 1)
        self._remember(State(settings=vars(self._settings), next_attempt=min(check, held.due)))
        self._write_status()

    def _wait_for_gateway(self) -> None:
        """Until NGINX gives out what is in the webroot: both may have just been started, and an attempt costs."""
        ready = CHALLENGES / ".well-known/acme-challenge/ready"
        ready.parent.mkdir(parents=True, exist_ok=True)
        ready.touch()
        url = f"http://{self._settings.gateway}/{ready.relative_to(CHALLENGES)}"
        request = urllib.request.Request(url, headers={"Host": self._settings.domains[0]})
        give_up = time.monotonic() + LONGEST_WAIT
        while self._settings.gateway and time.monotonic() < give_up:
            with suppress(OSError, HTTPException), urllib.request.urlopen(request, timeout=5):
                return
            time.sleep(0.5)

    def _ask(self) -> str | None:
        """Runs certbot; the reason, as a sentence, if there is no good certificate after it."""
        held, noted = Certificate.read(CHAIN), self._noted()
        if held and self._is_good() and held.ends - time.time() < CERTBOTS_DUE:
            return None
        if not noted:  # killed in its first run, certbot would trip over what it left, or begin a second name beside it
            for folder in ("renewal", "live", "archive"):
                for path in (CERTBOT / folder).glob(f"{NAME}*"):
                    path.unlink() if path.is_file() else shutil.rmtree(path)
        options = ["--keep-until-expiring" if self._is_good() else "--force-renewal"]
        options += ["--new-key"] if noted and noted["key_type"] != self._settings.key_type else []
        code, output = self._run_certbot(options)
        if code:
            if re.search(r"Account \S+ not found", output):  # the server was made anew: register again
                shutil.rmtree(CERTBOT / "accounts", ignore_errors=True)
            return f"No certificate for {self._names}: {reason(output)}."
        not_good = f"The certificate for {self._names} that certbot got is not a good one; is the clock right?"
        return None if self._is_good() else not_good

    def _run_certbot(self, options: Sequence[str]) -> tuple[int, str]:
        settings, authority = self._settings, HERE / "directory-ca.pem"
        return _run(
            *("certbot", "certonly", "--non-interactive", "--agree-tos", "--cert-name", NAME),
            *("--server", settings.directory, "--key-type", settings.key_type, "--reuse-key"),
            *("--webroot", "--webroot-path", CHALLENGES),
            *("--renew-with-new-domains", "--break-my-certs"),  # a server for tests is one's own choice, too
            *("--config-dir", CERTBOT, "--work-dir", ACME / "work", "--logs-dir", ACME / "logs"),
            *("--max-log-backups", "20"),
            *(["--email", settings.email] if settings.email else ["--register-unsafely-without-email"]),
            *(argument for domain in settings.domains for argument in ("--domain", domain)),
            *options,
            environment={"REQUESTS_CA_BUNDLE": str(authority)} if authority.exists() else {},
        )

    def _noted(self) -> Mapping[str, str] | None:
        """What certbot has noted about the certificate it holds; None unless both are whole."""
        notes = CERTBOT / f"renewal/{NAME}.conf"
        noted = dict(re.findall(r"^(\w+) = (.+)$", notes.read_text() if notes.exists() else "", re.MULTILINE))
        return noted if {"server", "key_type"} <= noted.keys() and KEY.exists() and Certificate.read(CHAIN) else None

    def _asked_for(self) -> Certificate | None:
        """What certbot holds, if that is what the settings ask for."""
        noted, held = self._noted(), Certificate.read(CHAIN)
        asked = (self._settings.directory, self._settings.key_type, set(self._settings.domains))
        return held if noted and held and (noted["server"], noted["key_type"], held.domains) == asked else None

    def _is_good(self) -> bool:
        held = self._asked_for()
        return bool(held and held.starts <= time.time() < held.due)

    def _deploy(self, certificate: Path, key: Path) -> None:
        code, said = _run("sh", HERE / "deploy.sh", certificate, key)
        if code:
            raise OSError(said.strip())
        if "already" not in said:
            print(said.strip(), flush=True)

    def _deploy_placeholder(self) -> None:
        names = ",".join(f"DNS:{domain}" for domain in self._settings.domains)
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Path(folder, "certificate.pem"), Path(folder, "key.pem")
            code, said = _run(
                *("openssl", "req", "-x509", "-nodes", "-days", "3650", "-out", certificate, "-keyout", key),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-subj", "/CN=Placeholder until a certificate is issued", "-addext", f"subjectAltName={names}"),
            )
            if code:
                raise OSError(said.strip())
            self._deploy(certificate, key)

    def _certificate_served(self) -> Certificate | None:
        current = SERVED / "current.conf"
        named = re.search(r'default "(\w+)"', current.read_text()) if current.exists() else None
        return Certificate.read(SERVED / "keys" / named[1] / "fullchain.pem") if named else None

    def _remembered(self) -> State:
        """Changed settings begin anew; a time that no rule here gives (the clock was set back) does not hold."""
        with suppress(OSError, ValueError, TypeError):
            state = State(**json.loads((ACME / "state.json").read_text()))
            if state.settings == vars(self._settings):
                latest = time.time() + max(self._settings.check_seconds, LONGEST_RETRY * 1.1)
                return replace(state, next_attempt=state.next_attempt if state.next_attempt < latest else 0)
        return State(settings=vars(self._settings))

    def _remember(self, state: State) -> None:
        self._state = state
        _write(ACME / "state.json", vars(state))

    def _write_status(self) -> None:
        held, error = self._asked_for(), self._state.error or self._undeployed
        at = datetime.fromtimestamp(max(self._state.next_attempt, time.time()), UTC).isoformat(timespec="seconds")
        status = {"issued": bool(held and not held.ended), "error": error, "next_attempt": at}
        _write(SERVED / "status.json", {**status, "domains": self._settings.domains})


def reason(output: str) -> str:
    """What the ACME server had against it, from certbot's output, without tokens of challenges."""
    refused = re.findall(r"^\s*Domain: (.+)\n\s*Type: +(.+)\n\s*Detail: (.+)$", output, re.MULTILINE)
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    if refused:
        said = "; ".join(f"{domain}: {detail} ({kind})" for domain, kind, detail in refused)
    elif "An unexpected error occurred:" in lines[:-1]:
        said = lines[lines.index("An unexpected error occurred:") + 1]
    else:
        said = next((line for line in reversed(lines) if not line.startswith("Ask for help")), "certbot said nothing")
    said = re.sub(r"^.*\(Caused by \w+\(([\"']?)(<.*?>: )?(.*)\1\)\)$", r"the ACME server cannot be reached: \3", said)
    return re.sub(r"[\w-]{40,}(\.[\w-]{40,})?", "...", said).rstrip(".")


def _run(*command: str | Path, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code, and both outputs as one. What ends this process ends the command, too."""
    everything = {**os.environ, **(environment or {})}
    try:
        ended = run(command, env=everything, stdout=PIPE, stderr=STDOUT, text=True, timeout=LONGEST_RUN, check=False)
    except TimeoutExpired:
        return 1, f"{command[0]} did not end within {LONGEST_RUN} s"
    return ended.returncode, ended.stdout


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Whole or not at all, and on disk when this returns."""
    new = path.with_name(f".{path.name}.new")
    with new.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    # The exception ends a running certbot with it; process 1 of a container has no handler unless it sets one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.umask(0o027)  # NGINX reads by its group
    Keeper(Settings(**json.loads((HERE / "acme.json").read_text()))).run()
