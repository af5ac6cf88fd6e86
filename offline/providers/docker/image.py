"""Images built from a Dockerfile."""

import platform
import posixpath
import re
from collections import deque
from typing import Any

from ..base import CheckError, Prop, ProviderError, ResourceType, log, pause
from ..values import UNKNOWN, has_unknown
from . import context
from .api import doing

_BUILD = {
    "context": Prop(str),
    "dockerfile": Prop(str),
    "contextDigest": Prop(str, output=True),
    "args": Prop(dict, of=str),
    "target": Prop(str),
    "platform": Prop(str),
    "network": Prop(str),
    "addHosts": Prop(list, of=str),
    "cacheFrom": Prop(dict, of={"images": Prop(list, of=str)}),
    "builderVersion": Prop(str),
}
_REGISTRY = {"server": Prop(str), "username": Prop(str), "password": Prop(str, secret=True)}
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TAIL = 20  # lines of a failed step that are shown


class Image(ResourceType):
    """docker:index/image:Image; the id is the image's name.

    Built by the daemon's own builder whatever `builderVersion` says: docker-py cannot drive BuildKit. Like the official
    plugin it leaves the image behind when the resource is destroyed, and a refresh looks at nothing.
    Source: provider/image.go and provider/provider.go of pulumi/pulumi-docker.
    """

    token = "docker:index/image:Image"
    properties = {
        "imageName": Prop(str, required=True),
        "build": Prop(dict, of=_BUILD),
        "skipPush": Prop(bool),
        "buildOnPreview": Prop(bool, default=False),
        "registry": Prop(dict, of=_REGISTRY),
        "baseImageName": Prop(str, output=True, volatile=True),
        "context": Prop(str, output=True),
        "dockerfile": Prop(str, output=True),
        "platform": Prop(str, output=True),
        "registryServer": Prop(str, output=True),
        "repoDigest": Prop(str, output=True, volatile=True),
        "__inputs": Prop(dict, output=True, secret=True),
    }
    id_in_outputs = False

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        build = dict(inputs.get("build") or {})
        build.setdefault("context", ".")
        if build["context"] != UNKNOWN:
            build.setdefault("dockerfile", posixpath.normpath(f"{build['context']}/Dockerfile"))
        build.setdefault("platform", f"linux/{_MACHINES.get(platform.machine(), platform.machine())}")
        if not has_unknown([build["context"], build.get("dockerfile", UNKNOWN)]):
            context.require(build["context"], build["dockerfile"])
            build["contextDigest"] = context.digest(build["context"], build["dockerfile"])
        if build.get("builderVersion", "BuilderV1") not in ("BuilderV1", "BuilderBuildKit", UNKNOWN):
            raise CheckError("build.builderVersion", "'build.builderVersion' is either BuilderV1 or BuilderBuildKit")
        return {**inputs, "build": build}

    def comparable(self, state: dict[str, Any]) -> dict[str, Any]:
        return state.get("__inputs", state)

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        build, name = inputs["build"], inputs["imageName"]
        _build(client, name, build)
        if inputs.get("skipPush"):
            with doing(f"look up image {name} after its build"):
                digest = client.inspect_image(name)["Id"]
        else:
            digest = _push(client, name, inputs.get("registry", {}))
        return name, {
            "imageName": name,
            "baseImageName": name,
            "context": build["context"],
            "dockerfile": context.dockerfile_in_context(build["context"], build["dockerfile"]),
            "platform": build["platform"],
            "registryServer": inputs.get("registry", {}).get("server", ""),
            "repoDigest": digest,
            "__inputs": inputs,
        }

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        if not state:
            raise ProviderError(
                f"image {id} cannot be imported: nothing tells what it was built from; declare and build it"
            )
        return state

    def update(self, client: Any, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        return self.create(client, inputs)[1]

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        return


def _build(client: Any, name: str, build: dict[str, Any]) -> None:
    archive, dockerfile = context.archive(build["context"], build["dockerfile"])
    step, output = "", deque[str](maxlen=_TAIL)
    with doing(f"build image {name}"):
        events = client.build(
            fileobj=archive,
            custom_context=True,
            dockerfile=dockerfile,
            tag=name,
            buildargs=build.get("args"),
            platform=build["platform"],
            target=build.get("target"),
            network_mode=build.get("network"),
            extra_hosts=dict(host.split(":", 1) for host in build.get("addHosts", [])) or None,
            cache_from=build.get("cacheFrom", {}).get("images"),
            rm=True,
            forcerm=True,
            decode=True,
            timeout=3600,  # between two lines of a silent step
        )
        for event in events:
            pause(0)
            for line in _COLOURS.sub("", event.get("stream", "")).splitlines():
                if line.startswith("Step "):
                    step = line
                    output.clear()
                    log(step)
                elif line.strip() and not line.startswith((" ---> ", "Removing intermediate container")):
                    output.append(line)
                    log(f"{step.split(' : ')[0]}: {line}", detail=True)
            if "error" in event:
                tail = "".join(f"\n    {line}" for line in output)
                raise ProviderError(
                    f"cannot build image {name}: {step or 'its first step'} failed: {event['error']}{tail}"
                )


def _push(client: Any, name: str, registry: dict[str, Any]) -> str:
    """Pushes the image; the result names it by the registry's own digest."""
    credentials = {key: registry[key] for key in ("username", "password") if registry.get(key)} or None
    digest = None
    with doing(f"push image {name}"):
        for event in client.push(name, stream=True, decode=True, auth_config=credentials):
            if "error" in event:
                raise ProviderError(f"cannot push image {name}: {event['error']}")
            digest = event.get("aux", {}).get("Digest", digest)
            log(f"{name}: {event.get('status', '')}", detail=True)
    if not digest:
        raise ProviderError(f"cannot push image {name}: the registry gave no digest for it")
    repository = name.rsplit(":", 1)[0] if ":" in name.rsplit("/", 1)[-1] else name
    return f"{repository}@{digest}"
