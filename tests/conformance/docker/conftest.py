"""A plugin on the real daemon, and a sweep after every test."""

from collections.abc import Iterator

import pytest

from offline.providers.docker import PROVIDER

from ..harness import Plugin
from .inputs import BASE


@pytest.fixture(scope="module")
def plugin() -> Plugin:
    plugin = Plugin(PROVIDER)
    if not plugin.client.images(BASE):
        pytest.fail(f"there is no image {BASE}: `./platform up` or `./platform test` makes it")
    return plugin


@pytest.fixture(autouse=True)
def clean(plugin: Plugin, prefix: str) -> Iterator[None]:
    """Removes whatever bears this run's prefix after a test, however it ended."""
    yield
    for container in plugin.client.containers(all=True, filters={"name": prefix}):
        plugin.client.remove_container(container["Id"], v=True, force=True)
    for network in plugin.client.networks(names=[prefix]):
        plugin.client.remove_network(network["Id"])
    for volume in plugin.client.volumes(filters={"name": prefix})["Volumes"] or []:
        plugin.client.remove_volume(volume["Name"])
    for image in plugin.client.images(f"{prefix}/*"):
        for tag in image["RepoTags"]:
            if tag.startswith(prefix):  # the base may be the same image under another name
                plugin.client.remove_image(tag)
