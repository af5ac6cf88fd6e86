"""The stack's public addresses as this machine reaches them: by ports that are published here, whatever DNS says."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection
from urllib.parse import urlsplit

from launcher.state import State

_PORTS = {"http": 80, "https": 443}
_URLS = ("mlflow_tracking_uri", "keycloak_url", "s3_endpoint_url", "minio_console_url")


@dataclass(frozen=True)
class Doors:
    """The sites of a stack, asked whether they answer; no secret is sent, and no certificate believed."""

    state: State

    @cached_property
    def published(self) -> Mapping[int, str]:
        """The address for each port of this machine that leads to a container."""
        found = ((resource.get("inputs") or {}).get("ports") or [] for resource in self.state.resources)
        return {
            port["external"]: "127.0.0.1" if port.get("ip", "0.0.0.0") == "0.0.0.0" else port["ip"]
            for ports in found
            for port in ports
            if isinstance(port, dict) and "external" in port
        }

    @property
    def urls(self) -> list[str]:
        """Of all sites."""
        return [self.state.outputs[name] for name in _URLS if name in self.state.outputs]

    @property
    def elsewhere(self) -> list[str]:
        """Those of them that somebody else's load balancer answers, of which this machine knows nothing."""
        return [url for url in self.urls if self.leads_elsewhere(url)]

    def leads_elsewhere(self, url: str) -> bool:
        """Whether it is https at a port that is none of this stack's."""
        return bool(self.published) and urlsplit(url).scheme == "https" and _port(url) not in self.published

    @property
    def unnamed(self) -> list[str]:
        """Hosts of the sites that this machine's resolver does not know; browsers know all below `localhost`."""
        hosts = sorted({urlsplit(url).hostname or "" for url in self.urls})
        return [host for host in hosts if not host.endswith(".localhost") and not _resolves(host)]

    def get(self, url: str, timeout: float) -> tuple[int, bytes]:
        """Status and body of the answer to somebody who is not logged in; a redirect is an answer.

        Raises OSError, HTTPException or ValueError (a name that is none) where there is none.
        """
        parts = urlsplit(url)
        connection = HTTPConnection(self._address(url), _port(url), timeout=timeout)
        try:
            connection.connect()
            if parts.scheme == "https":
                connection.sock = _any_certificate().wrap_socket(connection.sock, server_hostname=parts.hostname)
            path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            connection.request("GET", path, headers={"Host": parts.netloc})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def certificate(self, url: str, timeout: float) -> str:
        """What is served there (PEM). Raises OSError, or ValueError as above, where nothing is."""
        at = (self._address(url), _port(url))
        with (
            socket.create_connection(at, timeout=timeout) as plain,
            _any_certificate().wrap_socket(plain, server_hostname=urlsplit(url).hostname) as secure,
        ):
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True) or b"")

    def _address(self, url: str) -> str:
        return self.published.get(_port(url)) or urlsplit(url).hostname or ""


def _resolves(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or _PORTS[parts.scheme]


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
