"""A network of a test's own with pebble (an ACME server), NGINX, and the container that keeps certificates."""

import hashlib
import json
import socket
import ssl
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import docker
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from docker.errors import APIError
from docker.models.containers import Container
from docker.models.networks import Network
from docker.models.volumes import Volume

from components.images import BASE, PACKAGES_OF
from tests.authority import authority, leaf
from tests.conformance.containers import archive
from tests.images import pebble

FOLDER = Path(__file__).parents[2] / "images/certificates"
OWN = "/etc/mlflow-platform"  # where the component's files are
SERVED = "/certificates/served"
LABELS = {"mlflow-platform.test": "certificates"}
MLFLOW, KEYCLOAK = "mlflow.test", "keycloak.test"

# All that certificates need of the gateway; /slow is a download of half a minute.
NGINX_CONF = """\
worker_processes 2;
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 1024; }
http {
    client_body_temp_path /tmp/client_body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    access_log off;
    include /certificates/served/current.conf;
    server {
        listen 8080;
        location /.well-known/acme-challenge/ { root /certificates/challenges; }
    }
    server {
        listen 8443 ssl;
        ssl_certificate /certificates/served/keys/$served_key/fullchain.pem;
        ssl_certificate_key /certificates/served/keys/$served_key/key.pem;
        location = /slow { root /tmp; limit_rate 20k; }
        location / { return 200 "served\\n"; }
    }
}
"""
HTTP, HTTPS = 8080, 8443
SLOW_BYTES = 600_000

# Another key is another current.conf, which NGINX reads when it reloads.
WATCHED_NGINX = f"""\
until [ -s {SERVED}/current.conf ]; do sleep 0.1; done
head -c {SLOW_BYTES} /dev/zero >/tmp/slow
cp {SERVED}/current.conf /tmp/current
nginx -g 'daemon off;' &
nginx=$!
trap 'kill -QUIT $nginx; exit' TERM QUIT
while sleep 1 & wait $!; do
    cmp -s {SERVED}/current.conf /tmp/current && continue
    cp {SERVED}/current.conf /tmp/current
    nginx -s reload
done
"""

Seen = TypeVar("Seen")


def until(look: Callable[[], Seen], seconds: float = 30) -> Seen:
    """What `look` gives, once it is neither false nor the error of something that is not there yet."""
    give_up = time.monotonic() + seconds
    while True:
        try:
            seen = look()
            if seen:
                return seen
            problem = f"saw {seen!r}"
        except (OSError, LookupError, ValueError) as error:
            problem = repr(error)
        assert time.monotonic() < give_up, f"{problem} after {seconds} s"
        time.sleep(0.1)


def pair(name: str, key: ec.EllipticCurvePrivateKey | None = None) -> tuple[str, str]:
    """A certificate that has signed itself, and its key (PEM)."""
    made = leaf(None, [name], key=key)
    return made.pem, made.key_pem


def key_of(certificate: x509.Certificate) -> str:
    public = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(certificate.public_key().public_bytes(*public)).hexdigest()


def names_of(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return set(extension.value.get_values_for_type(x509.DNSName))


def served(port: int, name: str = MLFLOW, authority: str | None = None) -> x509.Certificate:
    """The certificate of one new handshake, verified if there is an authority to verify it by."""
    context = ssl.create_default_context(cadata=authority)
    if not authority:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=name) as encrypted,
    ):
        certificate = encrypted.getpeercert(binary_form=True)
        encrypted.sendall(f"GET / HTTP/1.0\r\nHost: {name}\r\n\r\n".encode())
        assert encrypted.recv(1000).startswith(b"HTTP/1.1 200")
    assert certificate
    return x509.load_der_x509_certificate(certificate)


def output(container: Container, *command: str, user: str = "") -> str:
    """What a command in a running container says; an error if it fails."""
    code, said = container.exec_run(list(command), user=user)
    assert isinstance(said, bytes)
    if code:
        raise ValueError(f"{command}: {said.decode()}")
    return said.decode()


class Stage:
    """A network, and on it what the test asks for. Everything on it is gone after `close`."""

    def __init__(self, nginx_image: str):
        self._client = docker.from_env(timeout=600)
        self._nginx_image = nginx_image
        self._name = f"test-certificates-{uuid.uuid4().hex[:8]}"
        self._containers: list[Container] = []
        self._volumes: list[Volume] = []
        self._network: Network | None = None
        self._authority = authority("the ACME server's authority")
        self.volume = self._new_volume("certificates")

    def close(self) -> None:
        for container in self._containers:
            self._remove(container)
        for volume in self._volumes:
            volume.remove(force=True)
        if self._network:
            self._network.remove()
        self._client.close()

    def pebble(self, *domains: str, lifetime: int = 3600) -> Container:
        """An ACME server, to which these domains lead, too; `lifetime` of its certificates in seconds.

        It forgets everything when it is stopped.
        """
        server = leaf(self._authority, ["pebble"])
        files = pebble.files(server.pem, server.key_pem, http=HTTP, https=HTTPS, lifetime=lifetime)
        return self._run(
            "pebble",
            pebble.image(self._client),
            pebble.COMMAND,
            files={"/etc": files},
            aliases=domains,
            environment=pebble.ENVIRONMENT,
            ports={f"{pebble.MANAGEMENT}/tcp": ("127.0.0.1", None)},
        )

    def root_of(self, server: Container) -> str:
        """The root that pebble's certificates lead to, in PEM."""
        return pebble.root(self.port(server, pebble.MANAGEMENT), self._authority.pem)

    def gateway(self, *domains: str, configuration: str = NGINX_CONF) -> Container:
        """NGINX, found on the network by these domains; it may read certificates and not write them."""
        return self._run(
            "gateway",
            self._nginx_image,
            ["sh", "-c", WATCHED_NGINX],
            files={"/etc/nginx": {"nginx.conf": configuration}},
            aliases=domains,
            volumes={self.volume.name: {"bind": "/certificates", "mode": "ro"}},
            ports={f"{HTTPS}/tcp": ("127.0.0.1", None)},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    def keeper(self, *domains: str, **changed: Any) -> Container:
        """The container that keeps the certificate of these domains, as the component runs it."""
        settings = {
            "email": "someone@mlflow.test",
            "directory": pebble.DIRECTORY,
            "key_type": "ecdsa",
            "domains": domains,
            "check_seconds": 43200,
            "retry_seconds": 300,
            "gateway": f"gateway:{HTTP}",
            **changed,
        }
        files = {name: (FOLDER / name).read_text() for name in ("keeper.py", "deploy.sh")}
        files |= {"acme.json": json.dumps(settings), "directory-ca.pem": self._authority.pem}
        return self._run_as_certificates(self._certbot_image(), ["python3", f"{OWN}/keeper.py"], files)

    def deployer(self, pairs: Mapping[str, tuple[str, str]], command: str = "sleep 600") -> Container:
        """A container of the NGINX image that runs a command of the shell and can deploy pairs."""
        files = {"deploy.sh": (FOLDER / "deploy.sh").read_text()}
        for name, one in pairs.items():
            files |= {f"{name}.pem": one[0], f"{name}.key": one[1]}
        return self._run_as_certificates(self._nginx_image, ["sh", "-c", command], files)

    def end(self, container: Container) -> float:
        """Stops it, as the engine does before it makes the next one, and says how many seconds that took."""
        began = time.monotonic()
        container.stop(timeout=20)
        took = time.monotonic() - began
        self._remove(container)
        return took

    def port(self, container: Container, inside: int = HTTPS) -> int:
        container.reload()
        return int(container.attrs["NetworkSettings"]["Ports"][f"{inside}/tcp"][0]["HostPort"])

    def _certbot_image(self) -> str:
        arguments = {"BASE": BASE["local"], "PACKAGES_OF": PACKAGES_OF}
        image, _ = self._client.images.build(path=str(FOLDER), buildargs=arguments, rm=True)
        return image.id or ""

    def _run_as_certificates(self, image: str, command: Sequence[str], files: Mapping[str, str]) -> Container:
        return self._run(
            f"certificates-{uuid.uuid4().hex[:4]}",
            image,
            command[1:],
            entrypoint=command[:1],
            files={OWN: files},
            volumes={
                self.volume.name: {"bind": "/certificates", "mode": "rw"},
                self._new_volume("files").name: {"bind": OWN, "mode": "rw"},
            },
            user="0:101",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            tmpfs={"/tmp": ""},
            environment={"HOME": "/tmp"},
        )

    def _run(
        self,
        name: str,
        image: str,
        command: Sequence[str],
        *,
        files: Mapping[str, Mapping[str, str]],
        aliases: Sequence[str] = (),
        **options: Any,
    ) -> Container:
        if not self._network:
            self._network = self._client.networks.create(self._name, driver="bridge", labels=LABELS)
        container = self._client.containers.create(
            image, list(command), name=f"{self._name}-{name}", labels=LABELS, mem_limit="512m", **options
        )
        self._containers.append(container)
        for folder, content in files.items():
            container.put_archive(folder, archive(content))
        self._network.connect(container, aliases=[name, *aliases])
        container.start()
        return container

    def _new_volume(self, name: str) -> Volume:
        volume = self._client.volumes.create(f"{self._name}-{name}-{uuid.uuid4().hex[:4]}", labels=LABELS)
        self._volumes.append(volume)
        return volume

    def _remove(self, container: Container) -> None:
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code != 404:  # removed by the test itself
                raise


def status(gateway: Container) -> dict[str, Any]:
    """status.json as NGINX's user reads it."""
    return json.loads(output(gateway, "cat", f"{SERVED}/status.json"))


def said(container: Container) -> list[str]:
    return container.logs().decode().splitlines()
