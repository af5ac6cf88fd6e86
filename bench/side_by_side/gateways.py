"""The gateway as the program configures it, in containers of the benchmark: by http, https, or with a knob turned."""

import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from docker.models.containers import Container

from components.doors import CERTIFICATES, HTTP, HTTPS, IN_USE
from components.images import BASE, PINS
from side_by_side.servers import http
from side_by_side.stage import BenchError, Stage, wait_for
from tests.authority import authority, leaf
from tests.unit.graph import DEV, PROJECT, declare

DOMAIN = "bench.test"
S3, MLFLOW = f"s3.{DOMAIN}", f"mlflow.{DOMAIN}"
_KEY_ID = "bench"
_AT_THE_TOP = "    server_tokens off;\n"  # of `http`
_FIRST = 30  # address of the first gateway

Edits = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Knob:
    """Something about the gateway that could be otherwise: its configuration, or how clients come."""

    name: str
    edits: Edits = ()
    scheme: str = "https"
    client: Sequence[str] = ()  # curl's options


def kept_connections(server: str) -> Edits:
    """Connections to a server that stay open: with a name that NGINX looks up once, when it starts.

    NGINX 1.26 keeps none open to a name in a variable; `server ... resolve`, which would do both, is of 1.27.3.
    """
    block = f"    upstream kept {{\n        server {server};\n        keepalive 32;\n    }}\n"
    return [(f"set $upstream {server};", "set $upstream kept;"), (_AT_THE_TOP, f"{_AT_THE_TOP}{block}")]


STATIC_CERTIFICATE: Edits = [("/keys/$served_key/", f"/keys/{_KEY_ID}/")]


def buffers(kilobytes: int) -> Edits:
    """What S3's site reads at once, from a server and from a client."""
    directives = ("client_body_buffer_size ", "proxy_buffer_size ", "proxy_buffers 4 ")
    return [(f"{directive}128k;", f"{directive}{kilobytes}k;") for directive in directives]


KNOBS = [
    Knob("http, kept upstream connections", kept_connections("minio:9000"), scheme="http"),
    Knob("http, 32k buffers", buffers(32), scheme="http"),
    Knob("https, kept upstream connections", kept_connections("minio:9000")),
    Knob("https, 32k buffers", buffers(32)),
    Knob("https, 256k buffers", buffers(256)),
    Knob("https, TLS records of 4k", [("    ssl_protocols ", "    ssl_buffer_size 4k;\n    ssl_protocols ")]),
    Knob("https, AES-128 asked for", client=["tls13-ciphers = TLS_AES_128_GCM_SHA256"]),
    Knob("https, ChaCha20 asked for", client=["tls13-ciphers = TLS_CHACHA20_POLY1305_SHA256"]),
    Knob("https, HTTP/2", client=["http2"]),
]


@dataclass(frozen=True)
class Gateway:
    """A running one."""

    scheme: str
    address: str
    container: Container

    @property
    def port(self) -> int:
        return HTTPS if self.scheme == "https" else HTTP


class Gateways:
    """Starts them, each with the program's own configuration and a certificate of an authority made for this run."""

    def __init__(self, stage: Stage):
        self._stage = stage
        self._image = stage.build(PINS["nginx"], "mlflow-platform/bench-nginx", BASE["local"])
        self.image = self._image
        made = authority("authority of a benchmark")
        pair = leaf(made, [S3, MLFLOW])
        self.authority = made.pem
        self._files = {
            IN_USE: f'map "" $served_key {{ default "{_KEY_ID}"; }}\n',
            f"{CERTIFICATES}/served/keys/{_KEY_ID}/fullchain.pem": pair.pem,
            f"{CERTIFICATES}/served/keys/{_KEY_ID}/key.pem": pair.key_pem,
        }
        self._configurations = {scheme: _configuration(scheme) for scheme in ("http", "https")}
        self._started: dict[tuple[str, str], Gateway] = {}

    def get(self, scheme: str, edits: Edits = ()) -> Gateway:
        """The gateway of that configuration; knobs of the client alone share one."""
        key = (scheme, json.dumps(list(edits)))
        if key not in self._started:
            self._started[key] = self._start(scheme, edits)
        return self._started[key]

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority)

    def _start(self, scheme: str, edits: Edits) -> Gateway:
        number = _FIRST + len(self._started)
        text = edited(self._configurations[scheme], edits)
        container = self._stage.start(
            f"gateway-{number}",
            number,
            self._image,
            ["nginx", "-g", "daemon off;"],
            files={"/etc/nginx/nginx.conf": text, **self._files},
        )
        gateway = Gateway(scheme, self._stage.address(number), container)
        wait_for(container, lambda: http.get(f"http://{gateway.address}:{HTTP}/", headers={"Host": S3}) is not None)
        return gateway


def _configuration(scheme: str) -> str:
    tls = "self_signed" if scheme == "https" else "none"
    graph = declare({**DEV, f"{PROJECT}:domain": DOMAIN, f"{PROJECT}:tls": tls})
    return graph.upload("gateway", "/etc/nginx/nginx.conf")


def edited(configuration: str, edits: Edits) -> str:
    """Raises BenchError where an edit finds nothing: the knob would be named and not turned."""
    for old, new in edits:
        if old not in configuration:
            raise BenchError(
                f"The gateway's configuration has no {old!r} any more; mend bench/side_by_side/gateways.py."
            )
        configuration = configuration.replace(old, new)
    return configuration
