"""The one list of what runs: every image and its version, from a registry or built here."""

import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    "backup": Pin(None, "images/backup", "3.13"),
    "certbot": Pin("docker.io/certbot/certbot:v5.8.0", "images/certificates", "4.0"),
}


def recipe(name: str, source: Literal["registry", "local"]) -> dict[str, Any]:
    """How an image comes about: what is pulled, or what it is built from and called."""
    pin = PINS[name]
    if source == "registry" and pin.upstream:
        return {"pulled": pin.upstream}
    tag = f"mlflow-platform/{name}:{pin.tag}"
    return {"context": pin.context, "tag": tag, "arguments": pin.arguments(BASE[source])}


def versions(source: Literal["registry", "local"]) -> dict[str, str]:
    """What runs, by service: upstream's tag, or that of what is built here."""
    return {
        image: pin.upstream.rpartition(":")[2] if source == "registry" and pin.upstream else pin.tag
        for image, pin in PINS.items()
    }


class Images(pulumi.ComponentResource):
    """Images on the Docker host; containers take the id that an attribute resolves to, so a new build reaches them."""

    postgres: Output[str]
    keycloak: Output[str]
    minio: Output[str]
    nginx: Output[str]
    mlflow: Output[str]
    backup: Output[str]
    certbot: Output[str]

    def __init__(
        self,
        name: str,
        source: Literal["registry", "local"],
        *,
        without: Collection[str] = (),
        opts: ResourceOptions | None = None,
    ):
        super().__init__("mlflow-platform:index:Images", name, None, opts)
        wanted = [image for image in PINS if image not in without]
        for image in wanted:
            made = recipe(image, source)
            setattr(self, image, self._pulled(image, made["pulled"]) if "pulled" in made else self._built(image, made))
        self.register_outputs({image: getattr(self, image) for image in wanted})

    def _pulled(self, name: str, upstream: str) -> Output[str]:
        image = docker.RemoteImage(name, name=upstream, keep_locally=True, opts=ResourceOptions(parent=self))
        return image.image_id

    def _built(self, name: str, made: Mapping[str, Any]) -> Output[str]:
        image = docker.Image(
            name,
            image_name=made["tag"],
            build=docker.DockerBuildArgs(
                context=made["context"],
                dockerfile=f"{made['context']}/Dockerfile",
                args=made["arguments"],
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
