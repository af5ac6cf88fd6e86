"""What keeps the certificate: a container that puts it where the gateway reads it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi import Input, Output, ResourceOptions

from components.certificates.files import check, read
from components.certificates.own import OwnCertificate
from components.doors import CERTIFICATES, HTTP, IN_USE
from components.images import Images
from components.network import Network, ServiceArgs
from components.settings import Acme, ByTheGateway, Files, SelfSigned

_SOURCES = Path("images/certificates")
_FOLDER = "/etc/mlflow-platform"
# Ends as soon as it is told to (by QUIT in NGINX's image), which the shell as a container's first process does only
# with a trap. What a keeper once said on the same volume is not about this certificate.
_STAYING = f"trap 'exit 0' TERM QUIT; rm -f {CERTIFICATES}/served/status.json; while :; do sleep 3600 & wait $!; done"
_CHECKED = 12 * 3600  # seconds between two looks whether a renewal is due
_RETRIED = 300  # seconds until the first attempt after one that failed; each further one waits longer


@dataclass(frozen=True, kw_only=True)
class CertificatesArgs:
    """What Certificates need; `hosts` are the names of all sites."""

    network: Network
    images: Images
    tls: ByTheGateway
    hosts: Sequence[str]
    gateway: str  # the host on the network that ACME servers are to find
    memory_mb: int = 128  # certbot's 60 and its files


class Certificates(pulumi.ComponentResource):
    """A volume with what the gateway serves, and the one container that writes it.

    A renewal is a rename on that volume, so the gateway goes on as it is, and so do transfers that are under way. The
    container is on a network with the gateway alone: it serves nobody, and ACME servers look at the gateway.
    """

    volume: Output[str]
    authority: Output[str] | None
    """The stack's own (PEM), where it has one."""

    def __init__(self, name: str, args: CertificatesArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Certificates", name, None, opts)
        self.authority = None
        self.volume = args.network.volume(name, self).name
        args.network.service(
            name,
            self._keeper(args, args.tls) if isinstance(args.tls, Acme) else self._holder(name, args, args.tls),
            ResourceOptions(parent=self),
        )
        self.register_outputs({"volume": self.volume})

    def _holder(self, name: str, args: CertificatesArgs, given: SelfSigned | Files) -> ServiceArgs:
        """Puts a pair there that is known beforehand, and stays to do so again should the volume be made anew."""
        if isinstance(given, SelfSigned):
            own = OwnCertificate(name, args.hosts, self)
            self.authority, certificate, key = own.authority, own.certificate, own.key
        else:
            certificate, key = read("tls.certificate", given.certificate), read("tls.key", given.key)
            check(certificate, key, args.hosts)
            key = Output.secret(key)
        pair = [f"{_FOLDER}/fullchain.pem", f"{_FOLDER}/key.pem"]
        return self._service(
            args,
            args.images.nginx,  # for its shell
            command=["sh", f"{_FOLDER}/deploy.sh", *pair, "sh", "-c", _STAYING],
            files={pair[0]: certificate, pair[1]: key},
        )

    def _keeper(self, args: CertificatesArgs, acme: Acme) -> ServiceArgs:
        """Gets a certificate and renews it; until there is one, a placeholder is served."""
        known = {
            "email": acme.email,
            "directory": acme.directory,
            "key_type": acme.key_type,
            "domains": list(args.hosts),
            "gateway": f"{args.gateway}:{HTTP}",
            "check_seconds": _CHECKED,
            "retry_seconds": _RETRIED,
        }
        uploads: dict[str, Input[str]] = {
            f"{_FOLDER}/keeper.py": (_SOURCES / "keeper.py").read_text(),
            f"{_FOLDER}/acme.json": json.dumps(known, indent=1),
        }
        if acme.directory_ca:
            uploads[f"{_FOLDER}/directory-ca.pem"] = read("tls.directory_ca", acme.directory_ca)
        return self._service(
            args, args.images.certbot, entrypoints=["python3"], command=[f"{_FOLDER}/keeper.py"], files=uploads
        )

    def _service(
        self,
        args: CertificatesArgs,
        image: Input[str],
        *,
        command: Sequence[str],
        files: Mapping[str, Input[str]],
        entrypoints: Sequence[str] = (),
    ) -> ServiceArgs:
        """As root without any capability: the volume's folders are its own, and NGINX's group reads what is served."""
        return ServiceArgs(
            image=image,
            user="0:101",
            entrypoints=entrypoints,
            command=command,
            files={f"{_FOLDER}/deploy.sh": (_SOURCES / "deploy.sh").read_text(), **files},
            volumes={CERTIFICATES: self.volume},
            memory_folders={"/tmp": 16},
            healthcheck=["CMD", "test", "-s", IN_USE],
            memory_mb=args.memory_mb,
            start_seconds=60,
            interval="1s",
        )
