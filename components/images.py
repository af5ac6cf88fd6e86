"""The one list of what runs: every image and its version, from a registry or built here."""

import platform
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_docker as docker
from pulumi import Output, ResourceOptions

BASE = {
    "registry": "docker.io/library/debian:trixie-slim",
    "local": "mlflow-platform/base:trixie",  # made by the launcher from Debian's packages
}

# Images built here carry Debian's packages as of this day: a later one builds them anew, with what was fixed since.
PACKAGES_OF = "2026-11-28"


@dataclass(frozen=True)
class Pin:
    """An image: its upstream name, and the folder and tag with which we build its stand-in."""

    upstream: str | None  # None: there is no upstream, it is always built here
    context: str
    tag: str

    @property
    def major(self) -> int:
        """The first number of the version, which for PostgreSQL is the format of its files."""
        return int(self.tag.partition(".")[0])

    def arguments(self, base: str) -> dict[str, str]:
        """What its Dockerfile is told: the version, so that a pin is the one line that changes."""
        return {"BASE": base, "PACKAGES_OF": PACKAGES_OF, "VERSION": self.tag}


PINS = {
    "postgres": Pin("docker.io/library/postgres:17.12", "images/postgres", "17"),
    "keycloak": Pin("quay.io/keycloak/keycloak:26.7.5", "images/keycloak", "26.7.5"),
    # Upstream's own images are gone; this is the maintained fork, with the same variables and on-disk format.
    "minio": Pin("docker.io/pgsty/silo:RELEASE.2026-09-16T00-00-00Z", "images/minio", "2026-02-12"),
    "nginx": Pin("docker.io/nginxinc/nginx-unprivileged:1.30", "images/nginx", "1.26"),
    "mlflow": Pin(None, "plugin", "3.17.2"),
    "certbot": Pin("docker.io/certbot/certbot:v5.8.0", "images/certificates", "4.0"),
}


class Images(pulumi.ComponentResource):
    """Images on the Docker host; containers take the id that an attribute resolves to, so a new build reaches them."""

    postgres: Output[str]
    keycloak: Output[str]
    minio: Output[str]
    nginx: Output[str]
    mlflow: Output[str]
    certbot: Output[str]
    """Only where certificates come by ACME."""

    def __init__(
        self, name: str, source: Literal["registry", "local"], *, acme: bool, opts: ResourceOptions | None = None
    ):
        super().__init__("mlflow-platform:index:Images", name, None, opts)
        wanted = {image: pin for image, pin in PINS.items() if acme or image != "certbot"}
        for image, pin in wanted.items():
            made_of = pin.upstream if source == "registry" else None
            setattr(self, image, self._pulled(image, made_of) if made_of else self._built(image, pin, BASE[source]))
        self.register_outputs({image: getattr(self, image) for image in wanted})

    def _pulled(self, name: str, upstream: str) -> Output[str]:
        image = docker.RemoteImage(name, name=upstream, keep_locally=True, opts=ResourceOptions(parent=self))
        return image.image_id

    def _built(self, name: str, pin: Pin, base: str) -> Output[str]:
        image = docker.Image(
            name,
            image_name=f"mlflow-platform/{name}:{pin.tag}",
            build=docker.DockerBuildArgs(
                context=pin.context,
                dockerfile=f"{pin.context}/Dockerfile",
                args=pin.arguments(base),
                platform=_platform(),  # unset, the provider asks the daemon at every preview
            ),
            skip_push=True,
            build_on_preview=False,
            opts=ResourceOptions(parent=self),
        )
        return image.repo_digest


def _platform() -> str:
    machine = platform.machine()
    return f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(machine, machine) }"
