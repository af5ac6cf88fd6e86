"""A machine that is reached by SSH, and knows one key."""

import io
from typing import Any

import docker
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from docker.models.containers import Container

from components.images import BASE

USER, FOLDER = "safe", "/srv/safe"
COMMAND = ["/usr/sbin/sshd", "-D", "-e", "-o", "StrictModes=no"]
_DOCKERFILE = f"""\
FROM {BASE["local"]}
LABEL org.opencontainers.image.title="an SSH server for tests"
RUN apt-get update && apt-get install -y --no-install-recommends openssh-server
RUN useradd --create-home {USER} && mkdir -p /run/sshd {FOLDER} && chown {USER} {FOLDER}
"""


def image() -> str:
    built, _ = docker.from_env().images.build(fileobj=io.BytesIO(_DOCKERFILE.encode()), rm=True)
    return built.id or ""


def files(key: Ed25519PrivateKey) -> dict[str, str]:
    """What the container is given before it starts."""
    return {f"/home/{USER}/.ssh/authorized_keys": f"{public(key)} backup\n"}


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def private(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def host_keys(machine: Container) -> list[str]:
    """Several, as ssh-keyscan shows them without the name; none before it has made them."""
    shown: Any = machine.exec_run(["sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub"]).output
    return [" ".join(line.split()[:2]) for line in shown.decode().splitlines() if line.startswith(("ssh-", "ecdsa-"))]
