"""What holds for every container of the platform, whatever runs in it."""

import re
from typing import Any

import pytest

from .graph import Graph, Resource

NAMES = ["backup", "gateway", "keycloak", "minio-1", "mlflow", "postgres"]
CAPABILITIES = {
    "minio-1": ["CAP_DAC_OVERRIDE"],
    "postgres": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"],
}
# Where each writes, besides to its data: in memory, and on disk.
WRITTEN: dict[str, tuple[set[str], set[str]]] = {
    "backup": ({"/tmp", "/run/backup"}, set()),
    "gateway": ({"/tmp"}, set()),
    "keycloak": ({"/tmp", "/opt/keycloak/data"}, {"/opt/keycloak/lib/quarkus"}),
    "minio-1": ({"/tmp"}, set()),
    "mlflow": (set(), {"/tmp"}),
    "postgres": ({"/tmp", "/var/run/postgresql"}, set()),
}


@pytest.fixture(params=NAMES)
def container(request: pytest.FixtureRequest, dev: Graph) -> Resource:
    return dev.container(request.param)


def test_these_are_all_the_containers(dev: Graph):
    assert sorted(container.name for container in dev.services) == NAMES


def test_it_counts_as_made_once_its_healthcheck_passes(container: Resource):
    check = container.inputs["healthcheck"]
    assert check["tests"][0] == "CMD"
    assert len(check["tests"]) > 1
    assert (container.inputs["wait"], container.inputs["mustRun"]) == (True, True)


def test_its_start_period_is_written_as_go_prints_it_so_that_a_refresh_sees_no_difference(container: Resource):
    check = container.inputs["healthcheck"]
    seconds = int(container.inputs["waitTimeout"])
    assert check["startPeriod"] == (f"{seconds // 60}m{seconds % 60}s" if seconds >= 60 else f"{seconds}s")


def test_it_comes_back_after_a_crash_or_a_restart_of_the_machine(container: Resource):
    assert container.inputs["restart"] == "unless-stopped"


def test_its_memory_is_limited_and_so_is_its_swap(container: Resource):
    assert container.inputs["memory"] >= 64
    assert container.inputs["memory"] == container.inputs["memorySwap"]


def test_its_log_is_rotated(container: Resource):
    assert container.inputs["logDriver"] == "json-file"
    assert container.inputs["logOpts"].keys() == {"max-size", "max-file"}
    megabytes = int(container.inputs["logOpts"]["max-size"].removesuffix("m"))
    assert 10 <= megabytes * int(container.inputs["logOpts"]["max-file"]) <= 600


def test_it_gains_no_privileges_and_loses_all_but_what_it_names(container: Resource):
    assert container.inputs["securityOpts"] == ["no-new-privileges"]
    capabilities = container.inputs["capabilities"]
    assert capabilities["drops"] == ["ALL"]  # written as Docker shows it, or every refresh differs
    assert capabilities.get("adds", []) == CAPABILITIES.get(container.name, [])
    assert not container.inputs.get("privileged")
    assert container.inputs.get("user") != "root"


def test_its_root_is_read_only_and_what_it_writes_in_memory_has_a_limit(container: Resource):
    assert container.inputs["readOnly"]
    folders = container.inputs.get("tmpfs", {})
    sizes = [int(options.removeprefix("size=").partition("m,mode=1777")[0]) for options in folders.values()]
    assert sum(sizes) < container.inputs["memory"] / 8  # which it counts against
    assert folders.keys() == WRITTEN[container.name][0]
    unnamed = {volume["containerPath"] for volume in container.inputs["volumes"] if not named(volume)}
    assert unnamed == WRITTEN[container.name][1]


def test_a_container_that_never_runs_holds_its_files(container: Resource, dev: Graph):
    """Docker takes no file into a read-only root; and in volumes without a name nothing outlives the container."""
    holder = dev.container(f"{container.name}-files").inputs
    assert (holder["start"], holder["mustRun"], holder["networkMode"]) == (False, False, "none")
    assert holder["image"] == container.inputs["image"]
    folders = {volume["containerPath"] for volume in holder["volumes"]}
    assert {file["file"].rpartition("/")[0] for file in holder["uploads"]} == folders
    assert not [volume for volume in holder["volumes"] if named(volume)]
    assert "uploads" not in container.inputs


def test_its_files_are_read_only_and_new_ones_are_a_new_container(container: Resource, dev: Graph):
    borrowed = [volume["fromContainer"] for volume in container.inputs["volumes"] if "fromContainer" in volume]
    assert borrowed == [f"{container.name}-files-id:ro"]
    assert dev.container(f"{container.name}-files") in dev.before(container)


def test_nothing_else_holds_files(dev: Graph):
    assert sorted(holder.name for holder in dev.holders) == [f"{name}-files" for name in NAMES]


def test_it_sees_nothing_of_the_host(container: Resource):
    assert container.inputs["networkMode"] == "bridge"
    assert all("hostPath" not in volume for volume in container.inputs.get("volumes", []))
    assert not container.inputs.keys() & {"pidMode", "ipcMode", "devices", "mounts", "hosts"}


def named(volume: dict[str, Any]) -> bool:
    return bool(volume.keys() & {"volumeName", "fromContainer"})


def test_it_is_named_after_the_stack_and_labelled(container: Resource):
    labels = {label["label"]: label["value"] for label in container.inputs["labels"]}
    assert container.inputs["name"] == f"mlflow-dev-{container.name}"
    assert labels == {"mlflow-platform.stack": "dev", "mlflow-platform.prefix": "mlflow-dev"}


def test_it_is_found_by_its_name_on_each_of_its_networks_and_they_are_the_stacks_own(container: Resource):
    networks = container.inputs["networksAdvanced"]
    assert {network["name"] for network in networks} <= {"mlflow-dev", "mlflow-dev-database"}
    assert all(container.name in network["aliases"] for network in networks)
    assert container.inputs["hostname"] == container.name


def test_postgresql_is_on_a_network_with_those_who_keep_or_copy_records_there_and_on_no_other(dev: Graph):
    on = {name: {network["name"] for network in dev.container(name).inputs["networksAdvanced"]} for name in NAMES}
    assert {name for name in NAMES if "mlflow-dev-database" in on[name]} == {"postgres", "keycloak", "mlflow", "backup"}
    assert {name for name in NAMES if "mlflow-dev" in on[name]} == {
        "gateway",
        "keycloak",
        "minio-1",
        "mlflow",
        "backup",
    }


def test_the_first_network_keeps_its_name_so_that_a_stack_that_has_only_that_keeps_it(dev: Graph):
    (front,) = (network for network in dev.of("network:Network") if network.inputs["name"] == "mlflow-dev")
    assert front.urn.endswith("::mlflow-platform:index:Network$docker:index/network:Network::network")


def test_it_runs_the_very_image_that_was_built(container: Resource, dev: Graph):
    built = {f"sha256:built-{image.name}": image for image in dev.of(":Image")}
    image = built[container.inputs["image"]]
    assert image in dev.before(container)
    assert image.inputs["skipPush"]
    assert re.fullmatch(r"linux/\w+", image.inputs["build"]["platform"])  # unset, every preview asks the daemon


def test_it_runs_the_very_image_that_was_pulled(container: Resource, pulled: Graph):
    image = pulled.container(container.name).inputs["image"]
    if container.name in ("mlflow", "backup"):  # of which there is no upstream
        assert image == f"sha256:built-{container.name}"
    else:
        assert image.removeprefix("sha256:pulled-") in {image.name for image in pulled.of(":RemoteImage")}


def addresses(graph: Graph) -> set[tuple[str, str]]:
    return {
        (container.name, port["ip"])
        for container in graph.of(":Container")
        for port in container.inputs.get("ports", [])
    }


def test_only_the_gateway_is_open_to_other_machines_and_only_where_the_settings_say_so(dev: Graph, cluster: Graph):
    on_loopback = {(name, "127.0.0.1") for name in ("keycloak", "minio-1", "postgres")}
    assert addresses(dev) == {("gateway", "127.0.0.1"), *on_loopback}
    assert addresses(cluster) == {("gateway", "0.0.0.0"), *on_loopback}


def test_each_server_that_pulumi_administers_has_one_port_for_it(dev: Graph):
    ports = {name: [port["external"] for port in dev.container(name).inputs.get("ports", [])] for name in NAMES}
    assert ports == {
        "backup": [],
        "gateway": [5000, 8080, 9000, 9001],
        "keycloak": [18080],
        "minio-1": [19000],
        "mlflow": [],
        "postgres": [15432],
    }


def test_upstream_images_are_pinned_and_stay_when_a_stack_goes(pulled: Graph):
    for image in pulled.of(":RemoteImage"):
        tag = image.inputs["name"].rpartition(":")[2]
        assert re.search(r"\d", tag), image.inputs["name"]
        assert image.inputs["keepLocally"]
