"""What a stack meets outside of it: an ACME server, and a load balancer with clients before it."""

import json
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import docker
from docker.models.containers import Container

from components.doors import HTTP, HTTPS
from tests.authority import LIFE, authority, leaf
from tests.conformance.containers import archive
from tests.e2e.stack import free_ports
from tests.images import pebble
from tests.images.acme import until

LABELS = {"mlflow-platform.test": "moving"}
BALANCER = "balancer"
_NAMES = "/etc/names"

# Every name leads to the gateway, wherever that is at the moment, but for those that lead nowhere.
_LED = f"""\
while sleep 0.2; do
    gateway=$(getent hosts gateway) || continue
    while read -r name there; do
        if [ "$there" = gateway ]; then echo "${{gateway%% *}} $name"; else echo "127.0.0.1 $name"; fi
    done <{_NAMES} >/tmp/hosts
    cmp -s /tmp/hosts /etc/hosts || cat /tmp/hosts >/etc/hosts
done &
exec {" ".join(pebble.COMMAND)}
"""

_BALANCING = f"""\
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events {{ worker_connections 1024; }}
http {{
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    access_log off;
    client_max_body_size 0;
    large_client_header_buffers 4 64k;
    resolver 127.0.0.11 valid=1s ipv6=off;
    server {{
        listen {HTTPS} ssl;
        ssl_certificate /etc/balancer/certificate.pem;
        ssl_certificate_key /etc/balancer/key.pem;
        location / {{
            set $gateway gateway:{HTTP};
            proxy_pass http://$gateway;
            proxy_http_version 1.1;
            proxy_buffer_size 64k;
            proxy_buffers 4 64k;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
}}
"""


class AcmeServer:
    """pebble on one network of a stack. It forgets everything when it is stopped, and begins with another root."""

    def __init__(self, network: str):
        self._client = docker.from_env(timeout=600)
        self._authority = authority("authority of the ACME server")
        self._pair = leaf(self._authority, ["pebble"])
        self.ca = self._authority.pem
        """Whom the directory's own certificate is signed by (PEM)."""
        ports: dict[str, Any] = {f"{pebble.MANAGEMENT}/tcp": ("127.0.0.1", None)}
        self._container = self._client.containers.create(
            pebble.image(self._client),
            ["sh", "-c", _LED],
            name=f"test-moving-pebble-{uuid.uuid4().hex[:6]}",
            labels=LABELS,
            environment=pebble.ENVIRONMENT,
            ports=ports,
            mem_limit="256m",
        )
        self._client.networks.get(network).connect(self._container, aliases=["pebble"])

    def lead(self, domains: Sequence[str], elsewhere: Sequence[str] = ()) -> None:
        """Those names lead to the gateway, and these to where nobody listens."""
        lines = [*(f"{domain} gateway\n" for domain in domains), *(f"{domain} nowhere\n" for domain in elsewhere)]
        self._container.put_archive("/", archive({_NAMES: "".join(lines)}))

    def start(self, life: timedelta = timedelta(hours=2)) -> None:
        """Anew, with certificates of this life."""
        self._container.stop(timeout=0)
        files = pebble.files(
            self._pair.pem, self._pair.key_pem, http=HTTP, https=HTTPS, lifetime=int(life.total_seconds())
        )
        self._container.put_archive("/etc", archive(files))
        self._container.start()
        until(self.root)

    def stop(self) -> None:
        self._container.stop(timeout=0)

    def root(self) -> str:
        """The root (PEM) of what it issues until it is stopped."""
        self._container.reload()
        bound = self._container.attrs["NetworkSettings"]["Ports"][f"{pebble.MANAGEMENT}/tcp"]
        return pebble.root(int(bound[0]["HostPort"]), self.ca)

    def orders(self) -> int:
        return pebble.orders(self._container)

    def close(self) -> None:
        self._container.remove(force=True, v=True)
        self._client.close()


class Balancer:
    """NGINX with a certificate of its own, before the stack's gateway; it adds the address of each client that it saw.

    Clients are on the other side of it, on a network that the stack is not on.
    """

    def __init__(self, image: str, front: str, domains: Sequence[str]):
        [self.port] = free_ports(1)
        self._client = docker.from_env()
        self._image = image
        self._name = f"test-moving-{uuid.uuid4().hex[:6]}"
        self._outside = self._client.networks.create(self._name, driver="bridge", labels=LABELS)
        self._containers: list[Container] = []
        own = authority("authority of the balancer")
        pair = leaf(own, domains, life=LIFE)
        self.ca = own.pem
        files = {"nginx/nginx.conf": _BALANCING, "balancer/certificate.pem": pair.pem, "balancer/key.pem": pair.key_pem}
        self._balancer = self._run(
            BALANCER, ["nginx", "-g", "daemon off;"], files, {f"{HTTPS}/tcp": ("127.0.0.1", self.port)}
        )
        self._client.networks.get(front).connect(self._balancer)
        self.address = self._address(self._balancer, front)
        """Where the gateway sees it."""

    def client(self, name: str, network: str | None = None) -> "Client":
        """Somebody's machine, outside unless another network is named."""
        container = self._run(name, ["sleep", "3600"], {"ca.pem": self.ca}, network=network)
        return Client(container, self._address(container, network or self._name))

    def close(self) -> None:
        for container in self._containers:
            container.remove(force=True, v=True)
        self._outside.remove()
        self._client.close()

    def _run(
        self,
        name: str,
        command: Sequence[str],
        files: Mapping[str, str],
        ports: Mapping[str, tuple[str, int]] | None = None,
        network: str | None = None,
    ) -> Container:
        options: dict[str, Any] = {"ports": ports or {}, "network": network or self._name, "mem_limit": "128m"}
        container = self._client.containers.create(
            self._image, list(command), name=f"{self._name}-{name}", hostname=name, labels=LABELS, **options
        )
        self._containers.append(container)
        container.put_archive("/etc", archive(files))
        container.start()
        return container

    def _address(self, container: Container, network: str) -> str:
        container.reload()
        return container.attrs["NetworkSettings"]["Networks"][network]["IPAddress"]

    @property
    def host(self) -> str:
        """Where clients find it."""
        return self._address(self._balancer, self._name)


class Client:
    """A machine with curl."""

    def __init__(self, container: Container, address: str):
        self._container = container
        self.address = address

    def ask(self, url: str, host: str, *options: str) -> "Answer":
        """What curl gets there, whatever the name in the URL leads to."""
        to = host if ":" in host else f"{host}:{HTTPS}"
        curl = [
            "curl",
            "-sS",
            "-m",
            "20",
            "--cacert",
            "/etc/ca.pem",
            "--connect-to",
            f"::{to}",
            "-w",
            "\\n%{http_code}",
        ]
        done = subprocess.run(
            ["docker", "exec", str(self._container.name), *curl, *options, url],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Answer(done.returncode, int(done.stdout.rpartition("\n")[2]))


@dataclass(frozen=True)
class Answer:
    """Of curl's."""

    code: int  # its own, 0 where there was an answer
    status: int  # HTTP's


def audited(container: Container) -> list[dict[str, Any]]:
    """MLflow's audit trail."""
    lines = container.logs(stderr=False).decode().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if "event" in line and "address" in line]
