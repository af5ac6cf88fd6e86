"""Docker networks."""

from typing import Any

from ..base import Prop, ProviderError, ResourceType, pause
from .api import LABELS, doing, label_list, label_map

_IPAM_CONFIG = {
    "subnet": Prop(str),
    "gateway": Prop(str),
    "ipRange": Prop(str),
    "auxAddress": Prop(dict, of=str),
}
_PATIENCE = 30  # seconds that containers on their way out are given to leave the network


class Network(ResourceType):
    """docker:index/network:Network; the id is the daemon's own.

    Source: internal/provider/resource_docker_network*.go of kreuzwerker/terraform-provider-docker.
    """

    token = "docker:index/network:Network"
    properties = {
        "name": Prop(str, auto_name=True, replaces=True),
        "driver": Prop(str, replaces=True, computed=True),
        "internal": Prop(bool, replaces=True, computed=True),
        "attachable": Prop(bool, replaces=True),
        "ingress": Prop(bool, replaces=True),
        "ipv6": Prop(bool, replaces=True),
        "ipamDriver": Prop(str, default="default", replaces=True),
        "ipamOptions": Prop(dict, of=str, replaces=True),
        "ipamConfigs": Prop(list, of=_IPAM_CONFIG, replaces=True, computed=True, unordered=True),
        "options": Prop(dict, of=str, replaces=True, computed=True),
        "labels": LABELS,
        "scope": Prop(str, output=True),
    }
    delete_before_replace = True
    meta = '{"schema_version":"1"}'

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        with doing(f"create network {name}"):
            made = client.create_network(
                name,
                driver=inputs.get("driver"),
                options=inputs.get("options"),
                ipam=_ipam(inputs),
                check_duplicate=True,
                internal=inputs.get("internal", False),
                labels=label_map(inputs.get("labels")),
                enable_ipv6=inputs.get("ipv6", False),
                attachable=inputs.get("attachable"),
                ingress=inputs.get("ingress"),
            )
        return made["Id"], self._outputs(client, made["Id"])

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        from docker.errors import NotFound

        try:
            return self._outputs(client, id)
        except NotFound:
            return None

    def delete(self, client: Any, id: str, state: dict[str, Any]) -> None:
        from docker.errors import APIError, NotFound

        with doing(f"remove network {state.get('name', id)}"):
            for _ in range(_PATIENCE * 5):
                try:
                    client.remove_network(id)
                    return
                except NotFound:
                    return
                except APIError as error:
                    if "has active endpoints" not in str(error):
                        raise
                pause(0.2)
        raise ProviderError(
            f"network {state.get('name', id)} is still in use by containers outside this stack; remove those"
        )

    def _outputs(self, client: Any, id: str) -> dict[str, Any]:
        found = client.inspect_network(id)
        return {
            "id": found["Id"],
            "name": found["Name"],
            "driver": found["Driver"],
            "scope": found["Scope"],
            "internal": found["Internal"],
            "attachable": found["Attachable"],
            "ingress": found["Ingress"],
            "ipv6": found["EnableIPv6"],
            "ipamDriver": found["IPAM"]["Driver"],
            "ipamOptions": found["IPAM"]["Options"] or {},
            "ipamConfigs": [
                {
                    "subnet": block.get("Subnet", ""),
                    "gateway": block.get("Gateway", ""),
                    "ipRange": block.get("IPRange", ""),
                    "auxAddress": block.get("AuxiliaryAddresses") or {},
                }
                for block in found["IPAM"]["Config"] or []
            ],
            "options": found["Options"] or {},
            "labels": label_list(found["Labels"]),
        }


def _ipam(inputs: dict[str, Any]) -> dict[str, Any]:
    from docker.types import IPAMConfig, IPAMPool

    pools = [
        IPAMPool(block.get("subnet"), block.get("ipRange"), block.get("gateway"), block.get("auxAddress"))
        for block in inputs.get("ipamConfigs", [])
    ]
    return IPAMConfig(driver=inputs["ipamDriver"], pool_configs=pools, options=inputs.get("ipamOptions"))
