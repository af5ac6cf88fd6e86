"""Networks and volumes."""

from ..harness import Case, Plugin, Resource, live
from .inputs import NETWORK, VOLUME


def test_a_network_lives(plugin: Plugin, prefix: str):
    inputs = {"name": f"{prefix}-net", "driver": "bridge", "labels": [{"label": "a", "value": "1"}]}
    live(
        plugin,
        Case(
            NETWORK,
            inputs,
            replace={**inputs, "internal": True},
            vanish=lambda made: plugin.client.remove_network(made.id),
        ),
    )


def test_a_volume_lives(plugin: Plugin, prefix: str):
    inputs = {"name": f"{prefix}-data", "labels": [{"label": "a", "value": "1"}]}

    def relabel(made: Resource) -> None:
        plugin.client.remove_volume(made.id)
        plugin.client.create_volume(made.id, labels={"a": "2"})

    live(
        plugin,
        Case(
            VOLUME,
            inputs,
            replace={**inputs, "driverOpts": {"type": "tmpfs", "device": "tmpfs"}},
            drift=relabel,
            drifted={"labels"},
            vanish=lambda made: plugin.client.remove_volume(made.id),
        ),
    )
