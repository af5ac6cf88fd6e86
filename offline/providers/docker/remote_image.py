"""Images that a registry (or this machine) has already."""

from typing import Any

from ..base import Prop, ResourceType
from .api import doing, local_image, present_image


class RemoteImage(ResourceType):
    """docker:index/remoteImage:RemoteImage; the id is the image's id and name in one.

    An image that is on the machine already is not pulled again. Builds are not offered here: use Image.
    Source: internal/provider/resource_docker_image*.go of kreuzwerker/terraform-provider-docker.
    """

    token = "docker:index/remoteImage:RemoteImage"
    properties = {
        "name": Prop(str, required=True, replaces=True),
        "keepLocally": Prop(bool),
        "forceRemove": Prop(bool),
        "platform": Prop(str, replaces=True),
        "pullTriggers": Prop(list, of=str, replaces=True, unordered=True),
        "triggers": Prop(dict, of=str, replaces=True),
        "imageId": Prop(str, output=True),
        "repoDigest": Prop(str, output=True),
    }

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        found = present_image(client, inputs["name"], inputs.get("platform"))
        return found["Id"] + inputs["name"], _outputs(inputs, found)

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        name = state.get("name") or id[len("sha256:") + 64 :] or id
        found = local_image(client, name)
        return found and {**_outputs({**state, "name": name}, found), "id": found["Id"] + name}

    def update(self, client: Any, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        return _outputs(inputs, present_image(client, inputs["name"], inputs.get("platform")))

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        from docker.errors import ImageNotFound

        if state.get("keepLocally"):
            return
        with doing(f"remove image {state['name']}"):
            try:
                client.remove_image(state["name"], force=bool(state.get("forceRemove")))
            except ImageNotFound:
                return


def _outputs(inputs: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    digests = found.get("RepoDigests") or []
    repository = inputs["name"].split("@")[0]
    matching = next((digest for digest in digests if repository.startswith(digest.split("@")[0])), "")
    return {
        "name": inputs["name"],
        "platform": inputs.get("platform", ""),
        "keepLocally": inputs.get("keepLocally"),
        "forceRemove": inputs.get("forceRemove"),
        "pullTriggers": inputs.get("pullTriggers", []),
        "triggers": inputs.get("triggers", {}),
        "build": None,
        "imageId": found["Id"],
        "repoDigest": matching,
    }
