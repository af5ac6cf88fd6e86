"""The Docker daemon: reaching it, and its refusals in words that say what to do."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..base import Prop, ProviderError, log, pause

if TYPE_CHECKING:
    from docker import APIClient

LABELS = Prop(
    list, of={"label": Prop(str, required=True), "value": Prop(str, required=True)}, replaces=True, unordered=True
)

_START = "start it (systemctl start docker, or dockerd) or set DOCKER_HOST"


def connect(config: Mapping[str, Any]) -> "APIClient":
    """A client of the daemon that the configuration or DOCKER_HOST names."""
    import docker
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    arguments: dict[str, Any] = {**kwargs_from_env(), "version": "auto", "timeout": 120}
    if config.get("host"):
        arguments["base_url"] = config["host"]
    host = arguments.get("base_url")
    try:
        return docker.APIClient(**arguments)
    except DockerException as error:
        raise ProviderError(f"the Docker daemon at {host or 'its default socket'} does not answer; {_START}") from error


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turns the daemon's refusals within the block into one sentence that begins with what was being done."""
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as Unreachable

    try:
        yield
    except APIError as error:
        raise ProviderError(f"cannot {what}: {_reason(error.explanation or str(error))}") from error
    except Unreachable as error:
        raise ProviderError(f"cannot {what}: the Docker daemon stopped answering; {_START}") from error


def _reason(said: str | bytes) -> str:
    """The daemon's explanation, with the remedy for what happens often."""
    text = said.decode() if isinstance(said, bytes) else said
    busy = re.search(r"Bind for (\S+) failed: port is already allocated", text) or re.search(
        r"listen (?:tcp|udp)\d? (\S+): bind: address already in use", text
    )
    if busy:
        return f"port {busy[1]} is already in use; stop what listens there or choose another port"
    if "cannot assign requested address" in text:
        return f"this machine has no such address to listen on ({text})"
    taken = re.search(r'container name "/?([^"]+)" is already in use', text)
    if taken:
        return f"a container of this name exists already; remove it (docker rm -f {taken[1]}) or import it"
    if "no space left on device" in text:
        return f"the disk is full ({text}); free some space, for example with docker system prune"
    return text.strip().rstrip(".")


def label_map(labels: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Labels as the daemon has them."""
    return {item["label"]: item["value"] for item in labels or ()}


def label_list(labels: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Labels as the program has them."""
    return [{"label": label, "value": value} for label, value in sorted((labels or {}).items())]


def local_image(client: "APIClient", name: str) -> dict[str, Any] | None:
    """What the daemon knows of an image that it has; None where it has none of that name."""
    from docker.errors import ImageNotFound

    with doing(f"look up image {name}"):
        try:
            return client.inspect_image(name)
        except ImageNotFound:
            return None


def present_image(client: "APIClient", name: str, platform: str | None = None) -> dict[str, Any]:
    """The image, pulled where the daemon has none of that name."""
    found = local_image(client, name)
    if found:
        return found
    if name.startswith("sha256:"):
        raise ProviderError(f"the Docker daemon has no image {name}, and an image id cannot be pulled; build it again")
    repository, tag = _split(name)
    with doing(f"pull image {name}"):
        for event in client.pull(repository, tag=tag, platform=platform, stream=True, decode=True):
            pause(0)
            if "error" in event:
                raise ProviderError(f"cannot pull image {name}: {event['error']}")
            log(f"{name}: {event.get('status', '')}", detail=True)
    pulled = local_image(client, name)
    if pulled is None:
        raise ProviderError(f"cannot pull image {name}: the registry has none for this machine's platform")
    return pulled


def _split(name: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image name."""
    if "@" in name:
        repository, digest = name.split("@", 1)
        return repository.rsplit(":", 1)[0] if ":" in repository.rsplit("/", 1)[-1] else repository, digest
    head, separator, tail = name.rpartition(":")
    return (head, tail) if separator and "/" not in tail else (name, "latest")
