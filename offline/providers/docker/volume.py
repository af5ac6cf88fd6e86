"""Docker volumes."""

from typing import Any

from ..base import Prop, ResourceType
from .api import LABELS, doing, label_list, label_map


class Volume(ResourceType):
    """docker:index/volume:Volume; the id is the volume's name.

    A volume of the same name that is there already is taken as it is, like the daemon and the official plugin do.
    Source: internal/provider/resource_docker_volume.go of kreuzwerker/terraform-provider-docker.
    """

    token = "docker:index/volume:Volume"
    properties = {
        "name": Prop(str, auto_name=True, replaces=True),
        "driver": Prop(str, replaces=True, computed=True),
        "driverOpts": Prop(dict, of=str, replaces=True),
        "labels": LABELS,
        "mountpoint": Prop(str, output=True),
        "cluster": Prop(dict, output=True),
    }
    delete_before_replace = True
    meta = '{"schema_version":"1"}'

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        with doing(f"create volume {name}"):
            client.create_volume(
                name,
                driver=inputs.get("driver"),
                driver_opts=inputs.get("driverOpts"),
                labels=label_map(inputs.get("labels")),
            )
            return name, _outputs(client, name)

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            return _outputs(client, id)
        except NotFound:
            return None

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        from docker.errors import NotFound

        with doing(f"remove volume {id}"):
            try:
                client.remove_volume(id)
            except NotFound:
                return


def _outputs(client: Any, name: str) -> dict[str, Any]:
    found = client.inspect_volume(name)
    return {
        "name": found["Name"],
        "driver": found["Driver"],
        "driverOpts": found["Options"] or {},
        "labels": label_list(found["Labels"]),
        "mountpoint": found["Mountpoint"],
        "cluster": None,
    }
