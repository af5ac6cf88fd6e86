"""The public side of a stack: its four sites, and where browsers and clients find each."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from components.settings.values import DomainName, Strict

Name = Literal["mlflow", "login", "s3", "console"]
NAMES: tuple[Name, ...] = ("mlflow", "login", "s3", "console")

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Names that no public resolver has: RFC 6761 (localhost, test), RFC 6762 (local), RFC 8375 (home.arpa), and `internal`,
# which ICANN reserved for private use in 2024.
_PRIVATE = (".localhost", ".test", ".local", ".home.arpa", ".internal")
_PRIVATE_NETWORKS = [
    IPv4Network(network)
    for network in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")
]


class Domains(Strict):
    """Names of the single sites, where they are others than those below `domain`."""

    mlflow: DomainName | None = None
    """MLflow; by default `mlflow.` and the domain."""
    login: DomainName | None = None
    """Keycloak's logins; by default `login.` and the domain."""
    s3: DomainName | None = None
    """MinIO's S3; by default `s3.` and the domain."""
    console: DomainName | None = None
    """MinIO's console; by default `console.` and the domain."""


@dataclass(frozen=True)
class Site:
    """One of the four, as browsers and clients see it."""

    scheme: Literal["http", "https"]
    host: str
    port: int

    @property
    def url(self) -> str:
        """Without a slash at the end, and without a port that goes without saying, as browsers write an origin."""
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


@dataclass(frozen=True)
class Sites:
    """All of them; either each has a name of its own and they share ports, or each has a port on one host."""

    mlflow: Site
    login: Site
    s3: Site
    console: Site
    named: bool

    @property
    def hosts(self) -> list[str]:
        """The names that a certificate has to have, each once."""
        return list(dict.fromkeys(site.host for site in (self.mlflow, self.login, self.s3, self.console)))


def is_address(host: str) -> bool:
    """Whether this is an IPv4 address: certificates list those apart, and no handshake names one (RFC 6066, 3)."""
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether it leads to this machine and no other."""
    return IPv4Address(host).is_loopback if is_address(host) else f".{host}".lower().endswith(".localhost")


def is_private(host: str) -> bool:
    """Whether a name or an IPv4 address leads nowhere but to this machine or a private network.

    Of addresses it is Keycloak's own rule (SSL required: external), which lets no other over http.
    """
    if is_address(host):
        return any(IPv4Address(host) in network for network in _PRIVATE_NETWORKS)
    return "." not in host or f".{host}".lower().endswith(_PRIVATE)
