"""A stack that moves from address to address, with what is on it and who uses it."""

import json
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import httpx
import pytest
from cryptography import x509

from tests.e2e import keycloak
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import CLIENT, Platform
from tests.e2e.https.conftest import NAMES, trust
from tests.e2e.stack import Stack, free_ports

SITES = ("mlflow", "login", "s3", "console")
_BY_SITE = ("mlflow", "keycloak", "s3", "console")
_SHARED = ("http", "https")
_ADMIN = ("admin_postgres", "admin_keycloak", "admin_minio")


class Settings:
    """Of one stack at each of its addresses: what differs, with ports that stay its own."""

    def __init__(self) -> None:
        self._ports: dict[str, int] = dict(zip((*_BY_SITE, *_SHARED, *_ADMIN), free_ports(9), strict=True))

    def here(self) -> dict[str, Any]:
        """Over http on localhost, as the dev stack is."""
        return {"domain": None, "domains": None, "tls": None, "password_grant": None, "ports": self.ports(*_BY_SITE)}

    def at(self, domain: str, tls: str | Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """With sites below a domain."""
        return {**self.here(), "domain": domain, "tls": tls, "ports": self.ports(*_SHARED), **more}

    def ports(self, *names: str) -> dict[str, int]:
        """These, and those of administration."""
        return {name: self._ports[name] for name in (*names, *_ADMIN)}


def hosts(domain: str) -> list[str]:
    return [f"{site}.{domain}" for site in SITES]


@dataclass(frozen=True)
class Holdings:
    """What is on a stack, as a developer sees it, and what it is kept in."""

    runs: frozenset[tuple[str, str]]
    experiments: frozenset[tuple[str, str]]
    models: frozenset[tuple[str, str]]
    objects: frozenset[tuple[str, str]]
    volumes: frozenset[tuple[str, str]]
    passwords: frozenset[tuple[str, str]]

    def has_all_of(self, former: "Holdings") -> bool:
        return all(vars(former)[kind] <= vars(self)[kind] for kind in vars(former))

    def __repr__(self) -> str:  # without the passwords
        return ", ".join(f"{len(held)} {kind}" for kind, held in vars(self).items())


class Journey:
    """Brings a stack from one address to the next, and says how long that took and what it changed."""

    def __init__(self, stack: Stack, settings: Settings, folder: Path):
        self.stack = stack
        self.settings = settings
        self.home = folder / "home"
        self.front = f"mlflow-{stack.name}"
        """The network on which the sites' servers are."""
        self.platform = Platform(stack, stack.outputs(), imports=NAMES)
        self._folder = folder
        self._program = stack.backend.parent / "program"
        self._patch = pytest.MonkeyPatch()

    def close(self) -> None:
        self._patch.undo()

    def write(self, name: str, text: str) -> None:
        """A file for settings to name."""
        (self._program / name).write_text(text)

    def ask_often(self) -> None:
        """Renewals are looked after and tried again within seconds, in a copy of the program."""
        components = self._program / "components"
        components.unlink()
        shutil.copytree(ROOT / "components", components, ignore=shutil.ignore_patterns("__pycache__"))
        source = components / "certificates" / "component.py"
        text, found = re.subn(r"(?m)^(_CHECKED|_RETRIED) = [\d *]+", r"\1 = 5", source.read_text())
        assert found == 2
        source.write_text(text)

    def move(self, settings: Mapping[str, Any], *, authority: str | None = None) -> Counter[str]:
        """Up with these settings, after which nothing is left to do; without an authority users trust the stack's."""
        self.stack.set(settings)
        began = time.monotonic()
        done = self.stack.up()
        took = time.monotonic() - began
        say(f"{settings['domain'] or 'localhost'}: up in {took:.0f} s, {dict(done)}")
        assert set(self.stack.preview()) == {"same"}
        self.arrive(authority)
        return done

    def arrive(self, authority: str | None = None) -> None:
        """Users learn the addresses, and whom to trust there."""
        self._patch.undo()
        outputs = self.stack.outputs()
        self.platform = replace(self.platform, outputs=outputs, authority=None)
        if pem := authority or outputs.get("ca_certificate"):
            file = self._folder / f"ca-{time.time_ns()}.pem"
            file.write_text(pem)
            trust(self._patch, file)
            self.platform.authority = file

    def environment(self, url: str | None = None, **more: str) -> dict[str, str]:
        """A developer's, whose machine keeps all of her logins."""
        home = str(self.home)
        return self.platform.environment(
            **{"XDG_STATE_HOME": home, "HOME": home, "MLFLOW_TRACKING_URI": url or self.platform.url, **more}
        )

    def log_in(self) -> None:
        self.platform.log_in("dev", self.home)

    def example(self, script: str) -> str:
        """One of examples/, by the login that is on the disk."""
        return self.platform.run(["python", str(ROOT / "examples" / script)], self.environment())

    def status(self, url: str | None = None) -> subprocess.CompletedProcess[str]:
        """What the client says of the login at an address; by default at the present one."""
        return self.run([CLIENT, "status"], url)

    def health(self, saying: str = "") -> subprocess.CompletedProcess[str] | None:
        """What `./platform status` shows, if that says this."""
        shown = self.stack.platform("status")
        return shown if re.search(saying, shown.stdout + shown.stderr) else None

    def run(self, command: list[str], url: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        """A program that may fail."""
        return subprocess.run(
            command,
            env=self.environment(url, **more),
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def holdings(self) -> Holdings:
        """By a new login of a browser's kind, so it also says that this works."""
        token = self.platform.token("dev")
        ask = self.platform.ask
        every: dict[str, Any] = {"max_results": 1000}
        experiments = ask(token, "POST", "/api/2.0/mlflow/experiments/search", json=every).json()["experiments"]
        query = {**every, "experiment_ids": [it["experiment_id"] for it in experiments]}
        runs = ask(token, "POST", "/api/2.0/mlflow/runs/search", json=query).json()["runs"]
        models = ask(token, "GET", "/api/2.0/mlflow/model-versions/search").json()["model_versions"]
        s3, bucket = self.platform.s3(token), self.platform.outputs["artifact_bucket"]
        objects = s3.list_objects_v2(Bucket=bucket)["Contents"]
        volumes = docker.from_env().volumes.list(filters={"label": f"mlflow-platform.stack={self.stack.name}"})
        return Holdings(
            runs=frozenset((it["info"]["run_id"], str(sorted_metrics(it))) for it in runs),
            experiments=frozenset((it["experiment_id"], it["name"]) for it in experiments),
            models=frozenset((it["name"], it["version"]) for it in models),
            objects=frozenset((it["Key"], it["ETag"]) for it in objects),
            volumes=frozenset((str(it.name), "") for it in volumes if not str(it.name).endswith("certificates")),
            passwords=frozenset(self.stack.passwords().items()),
        )


def sorted_metrics(run: Mapping[str, Any]) -> list[tuple[str, float]]:
    return sorted((it["key"], it["value"]) for it in run["data"].get("metrics", []))


def logins(home: Path) -> dict[str, dict[str, Any]]:
    """All that the client has kept there, by the address that it is for."""
    kept = [json.loads(file.read_text()) for file in home.rglob("mlflow-platform/*.json")]
    return {login["tracking_uri"]: login for login in kept}


def served(url: str, authority: str | None = None) -> x509.Certificate:
    """What is served there, once it is found to be good by the authority (PEM). ssl.SSLError where it is not."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cadata=authority)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", parts.port or 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")


class Cookies:
    """A browser that logged in somewhere, and what it kept."""

    def __init__(self, platform: Platform, user: str):
        browser = keycloak.Browser()
        browser.open(f"{platform.url}/")
        browser.submit({"username": user, "password": platform.outputs["dev_users"][user]})
        port = urlsplit(platform.url).port
        [self.session] = [it for name, it in browser.cookies().items() if name.endswith(f"mlflow-platform-{port}")]

    def let_in(self, platform: Platform) -> bool:
        """Whether the session of then is one now, even if somebody gives it the name that it has to have here."""
        parts = urlsplit(platform.url)
        name = f"{'__Host-' if parts.scheme == 'https' else ''}mlflow-platform-{parts.port}"
        path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=digits"
        headers = {"Cookie": f"{name}={self.session}"}
        status = httpx.get(platform.url + path, headers=headers, timeout=30, trust_env=False).status_code
        assert status in (200, 401)
        return status == 200


def say(text: str) -> None:
    print(f"\n   {text}", flush=True)
