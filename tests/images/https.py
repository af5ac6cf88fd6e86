"""The gateway with all of its sites in the real NGINX, as a stack's settings have it, and clients that ask it oddly."""

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import docker

from tests.authority import Pair, authority, leaf
from tests.conformance.containers import archive
from tests.images.nginx import mirror
from tests.unit.graph import PROJECT, ROOT, declare, stack_file

CHALLENGE = "/.well-known/acme-challenge/token"


@dataclass(frozen=True)
class Gateway:
    """A running one; `ports` are those of loopback, by the container's."""

    container: Any
    ports: Mapping[int, int]
    authority: Pair

    def ask(
        self, port: int, method: str, path: str, *, sni: str | None = None, **headers: str
    ) -> tuple[HTTPResponse, str]:
        """One request, over TLS where a name for the handshake is given (an address is a name that is not sent)."""
        connection = HTTPConnection("127.0.0.1", self.ports[port], timeout=20)
        try:
            connection.connect()
            if sni is not None:
                connection.sock = self._handshake(connection.sock, sni)
            connection.request(method, path, headers={key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def certificate(self, port: int, sni: str) -> dict[str, Any]:
        """What is served under this name; ssl.SSLError where nothing is."""
        at = ("127.0.0.1", self.ports[port])
        with socket.create_connection(at, timeout=20) as plain, self._handshake(plain, sni) as secure:
            return dict(secure.getpeercert() or {})

    def _handshake(self, plain: socket.socket, sni: str) -> ssl.SSLSocket:
        trusting = ssl.create_default_context(cadata=self.authority.pem)
        return trusting.wrap_socket(plain, server_hostname=sni)


def configuration(file: str, upstream: str, **settings: str) -> str:
    """nginx.conf for a stack file with other settings (as the engine gives them), with one server behind all sites."""
    config = {**stack_file(ROOT / file), f"{PROJECT}:images": "local"}
    config |= {f"{PROJECT}:{key}": value for key, value in settings.items()}
    text = declare(config).upload("gateway", "/etc/nginx/nginx.conf")
    return re.sub(r"\b(mlflow:5000|keycloak:8080|minio:9000|minio-\d:9001)\b", upstream, text)


@contextmanager
def gateway(image: str, file: str, hosts: Sequence[str], **settings: str) -> Iterator[Gateway]:
    """For as long as the block runs, with a certificate for the hosts, on which `deploy.sh` has a test of its own."""
    issuer = authority()
    with mirror() as upstream:
        text = configuration(file, upstream, **settings)
        inside = sorted({int(port) for port in re.findall(r"listen (\d+)[; ]", text)})
        options: dict[str, Any] = {
            "ports": {f"{port}/tcp": ("127.0.0.1", None) for port in inside},
            "labels": {"mlflow-platform.test": "images"},
        }
        container = docker.from_env().containers.create(image, ["nginx", "-g", "daemon off;"], **options)
        try:
            challenge = {f"certificates/challenges{CHALLENGE}": "answer of a test"}
            files = {"etc/nginx/nginx.conf": text, **challenge, **_served(leaf(issuer, hosts))}
            container.put_archive("/", archive(files))
            container.start()
            container.reload()
            bound = container.attrs["NetworkSettings"]["Ports"]
            made = Gateway(container, {port: int(bound[f"{port}/tcp"][0]["HostPort"]) for port in inside}, issuer)
            for port in made.ports.values():
                _wait_until_it_listens(port)
            yield made
        finally:
            container.remove(force=True, v=True)


def _served(pair: Pair) -> dict[str, str]:
    folder = "certificates/served"
    return {
        f"{folder}/current.conf": 'map "" $served_key { default "a"; }\n',
        f"{folder}/keys/a/fullchain.pem": pair.pem,
        f"{folder}/keys/a/key.pem": pair.key_pem,
    }


def _wait_until_it_listens(port: int) -> None:
    """Docker takes connections before NGINX does, and drops them."""
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
            probe.settimeout(0.2)
            try:
                if probe.recv(1):
                    return
            except TimeoutError:
                return
            except OSError:
                pass
        time.sleep(0.1)
    raise TimeoutError(f"nothing listens behind port {port}")
