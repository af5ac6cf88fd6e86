"""A stack of its own over https, on names of this machine, with a certificate of the stack's own authority."""

import runpy
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import certifi
import pytest
from playwright.sync_api import Browser

from tests.e2e.browser import chromium, home_that_trusts
from tests.e2e.conftest import Platform, brought_up
from tests.e2e.stack import free_ports

NAMES = Path(__file__).parent / "names"
PORTS: tuple[str, ...] = ("http", "https", "admin_postgres", "admin_keycloak", "admin_minio")


@pytest.fixture(scope="package")
def platform(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with over_https(tmp_path_factory.mktemp("https")) as made:
        yield made


@contextmanager
def over_https(folder: Path, **settings: Any) -> Iterator[Platform]:
    """A stack with such settings more, whose names and whose authority this process knows while the block runs."""
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    settings = {"domain": "e2e.localhost", "tls": "self_signed", "ports": ports, **settings}
    with pytest.MonkeyPatch.context() as patch, brought_up(folder, settings, ports) as stack:
        outputs = stack.outputs()
        authority = folder / "authority.pem"
        authority.write_text(outputs["ca_certificate"])
        find_names(patch)
        trust(patch, authority)
        yield Platform(stack, outputs, authority=authority, imports=NAMES)


def find_names(patch: pytest.MonkeyPatch) -> None:
    """This process finds the names of this machine, as programs do that it starts with `NAMES` on their path."""
    patch.setattr(socket, "getaddrinfo", socket.getaddrinfo)  # to have it back afterwards
    runpy.run_path(str(NAMES / "sitecustomize.py"))


def trust(patch: pytest.MonkeyPatch, authority: Path) -> None:
    """This process takes certificates of the authority, beside all that it takes anyway."""
    bundle = authority.with_name(f"{authority.name}.bundle")
    bundle.write_text(Path(certifi.where()).read_text() + authority.read_text())
    patch.setattr(certifi, "where", lambda: str(bundle))
    patch.setenv("AWS_CA_BUNDLE", str(bundle))


@pytest.fixture(scope="package")
def trained(platform: Platform) -> str:
    """What a developer's training run printed."""
    return platform.example("train_digits.py", "dev")


@pytest.fixture(scope="module")
def browser(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """It trusts the authority as a user's does who was given it, and nobody told it to overlook anything."""
    assert platform.authority
    home = home_that_trusts(tmp_path_factory.mktemp("browser"), platform.authority)
    with chromium(home) as running:
        yield running
