"""A directory of a test's own: OpenLDAP with some people and groups, which tests change as its administrator."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.types import Ulimit

from components.images import BASE
from tests.authority import Pair, leaf

from ..containers import archive

IMAGE = "mlflow-platform/directory:test"
FILES = Path(__file__).with_name("slapd")
PEOPLE, GROUPS = "ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"
READER, READER_PASSWORD = "cn=reader,dc=example,dc=org", "reader-secret"
_ROOT = ["-x", "-H", "ldap://127.0.0.1", "-D", "cn=root,dc=example,dc=org", "-w", "root-secret"]


@dataclass(frozen=True)
class LdapServer:
    container: Any

    @property
    def address(self) -> str:
        self.container.reload()
        return self.container.attrs["NetworkSettings"]["IPAddress"]

    @property
    def published(self) -> str:
        """Where containers of any network find it."""
        self.container.reload()
        (at,) = self.container.attrs["NetworkSettings"]["Ports"]["636/tcp"]
        return f"{at['HostIp']}:{at['HostPort']}"

    def add(self, name: str, *lines: str) -> None:
        self._ldif("ldapadd", f"dn: {name}", *lines)

    def change(self, name: str, *lines: str) -> None:
        self._ldif("ldapmodify", f"dn: {name}", *lines)

    def members(self, group: str, *people: str) -> None:
        """Who is in a group from now on."""
        named = [f"member: uid={person},{PEOPLE}" for person in people]
        self.change(f"cn={group},{GROUPS}", "changetype: modify", "replace: member", *named)

    def start(self) -> None:
        self.container.start()
        _wait(self)

    def _ldif(self, command: str, *lines: str) -> None:
        self.container.put_archive("/", archive({"/tmp/change.ldif": "\n".join(lines) + "\n"}))
        done = self.container.exec_run([command, *_ROOT, "-f", "/tmp/change.ldif"])
        assert done.exit_code == 0, done.output.decode()


@contextmanager
def ldap_server(authority: Pair, machine: str | None = None) -> Iterator[LdapServer]:
    """On ports 389 and 636 of its own address, and by TLS on a port of this address of the machine's."""
    anywhere: Any = (machine, None)
    client = docker.from_env(timeout=1800)
    client.images.build(path=str(FILES), tag=IMAGE, buildargs={"BASE": BASE["local"]}, rm=True)
    container = client.containers.create(
        IMAGE,
        labels={"mlflow-platform.test": "conformance"},
        mem_limit="256m",
        ports={"636/tcp": anywhere} if machine else None,
        ulimits=[Ulimit(name="nofile", soft=1024, hard=1024)],  # it takes memory for each
    )
    try:
        container.start()
        container.reload()
        certificate = leaf(
            authority, [container.attrs["NetworkSettings"]["IPAddress"], *([machine] if machine else [])]
        )
        files = {f"/srv/{name}": (FILES / name).read_text() for name in ("slapd.conf", "people.ldif")}
        pair = {"/srv/certificate.pem": certificate.pem, "/srv/key.pem": certificate.key_pem}
        container.put_archive("/", archive(pair | files))  # in this order: with the last one it begins
        server = LdapServer(container)
        _wait(server)
        yield server
    finally:
        container.remove(force=True, v=True)


def _wait(server: LdapServer) -> None:
    command = "for i in $(seq 300); do ldapwhoami -x -H ldap://127.0.0.1 && exit 0; sleep 0.1; done; exit 1"
    done = server.container.exec_run(["/bin/sh", "-c", command])
    assert done.exit_code == 0, server.container.logs().decode()


@dataclass
class Stripped:
    """What was sent to a directory that, by whoever is on the way, has no StartTLS."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)


@contextmanager
def stripped(address: str) -> Iterator[Stripped]:
    found = Stripped()
    with socket.create_server((address, 0)) as listening:
        found.port = listening.getsockname()[1]
        threading.Thread(target=_refuse, args=(listening, found), daemon=True).start()
        yield found


def _refuse(listening: socket.socket, found: Stripped) -> None:
    with suppress(OSError):  # the test is over
        while True:
            connection, _ = listening.accept()
            with suppress(OSError), connection:
                connection.settimeout(10)
                while said := connection.recv(4096):
                    found.heard += said
                    number = said[4:5]  # of the message, which is short
                    # An extended response (RFC 4511, 4.12): protocolError.
                    connection.sendall(b"\x30\x0c\x02\x01" + number + b"\x78\x07\x0a\x01\x02\x04\x00\x04\x00")
