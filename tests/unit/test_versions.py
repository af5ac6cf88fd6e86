"""What a version in the list of pins decides on."""

from dataclasses import replace

import pytest

from components.images import PINS

from .graph import DEV, Graph, declare


def database_volume(graph: Graph) -> str:
    (volume,) = [volume for volume in graph.of(":Volume") if volume.name.startswith("postgres")]
    mounts = graph.container("postgres").inputs["volumes"]
    assert volume.inputs["name"] in [mount.get("volumeName") for mount in mounts]
    return volume.inputs["name"]


def test_each_major_version_of_postgresql_has_a_volume_of_its_own(dev: Graph, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(PINS, "postgres", replace(PINS["postgres"], tag="18.1"))
    assert database_volume(dev) == "mlflow-dev-postgres"
    assert database_volume(declare(DEV)) == "mlflow-dev-postgres-18"


def test_an_image_that_is_built_is_told_its_version(dev: Graph):
    built = {image.name: image.inputs for image in dev.of(":Image")}
    assert {name: given["build"]["args"]["VERSION"] for name, given in built.items()} == {
        name: PINS[name].tag for name in built
    }
