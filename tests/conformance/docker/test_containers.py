"""Containers, with a tiny image of their own on the platform's base."""

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from offline.providers.base import StandIn
from offline.providers.docker import PROVIDER
from offline.providers.docker.api import connect
from offline.providers.docker.container import Container

from ..harness import Case, Plugin, Refused, Resource, live
from .inputs import BASE, CONTAINER, IMAGE, NETWORK, VOLUME, container, started


def test_a_container_lives(plugin: Plugin, prefix: str):
    inputs = container(
        prefix,
        envs=["A=1", "B=2"],
        labels=[{"label": "stack", "value": "x"}],
        memory=64,
        memorySwap=64,
        restart="no",
        capabilities={"drops": ["CAP_NET_RAW"]},
        tmpfs={"/tmp": "rw"},
        ulimits=[{"name": "nofile", "soft": 1024, "hard": 2048}],
        hosts=[{"host": "x.local", "ip": "127.0.0.1"}],
    )
    live(
        plugin,
        Case(
            CONTAINER,
            inputs,
            update={**inputs, "memory": 96, "memorySwap": 96, "restart": "unless-stopped"},
            replace={**inputs, "envs": ["A=2"]},
            drift=lambda made: plugin.client.update_container(made.id, restart_policy={"Name": "always"}),
            drifted={"restart"},
            vanish=lambda made: plugin.client.remove_container(made.id, force=True),
            unimportable={"mustRun"},
        ),
    )


def test_what_the_image_says_stands_where_the_container_is_silent(plugin: Plugin, prefix: str, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f'FROM {BASE}\nUSER 1000:1000\nWORKDIR /srv\nCMD ["sleep", "600"]\n')
    build = {"context": str(tmp_path), "platform": "linux/amd64"}
    image = plugin.create(IMAGE, {"imageName": f"{prefix}/own:dev", "skipPush": True, "build": build})
    inputs = {"name": f"{prefix}-c", "image": image.outputs["repoDigest"], "stopSignal": "SIGKILL", "mustRun": False}
    live(plugin, Case(CONTAINER, inputs, replace={**inputs, "user": "0"}, unimportable={"image", "mustRun"}))

    made = plugin.create(CONTAINER, inputs)
    config = plugin.client.inspect_container(made.id)["Config"]
    assert (config["User"], config["WorkingDir"]) == ("1000:1000", "/srv")
    assert plugin.diff(made, {**inputs, "workingDir": "/"}).kind == "replace (delete first)"


def test_the_volumes_without_a_name_go_with_their_container(plugin: Plugin, prefix: str):
    def unnamed(**inputs: Any) -> tuple[Resource, str]:
        made = plugin.create(CONTAINER, started(prefix, volumes=[{"containerPath": "/data"}], **inputs))
        return made, plugin.client.inspect_container(made.id)["Mounts"][0]["Name"]

    made, volume = unnamed()
    assert volume in present(plugin)
    plugin.delete(made)
    assert volume not in present(plugin)

    made, volume = unnamed(removeVolumes=False)
    plugin.delete(made)
    assert volume in present(plugin), "they are kept where the program says so"
    plugin.client.remove_volume(volume)


def test_a_read_only_root_takes_no_upload_and_borrows_files_from_a_container_that_never_runs(
    plugin: Plugin, prefix: str
):
    """As with the official plugin, which uploads to `/` whatever the path: Docker looks at that alone."""
    upload = {"file": "/run/secrets/word", "content": "sesame\n"}
    folder = {"containerPath": "/run/secrets"}
    with pytest.raises(Refused, match="container rootfs is marked read-only"):
        plugin.create(CONTAINER, started(prefix, readOnly=True, uploads=[upload], volumes=[folder]))

    never = {"start": False, "networkMode": "none"}
    held = container(prefix, name=f"{prefix}-files", uploads=[upload], volumes=[folder], **never)
    holder = plugin.create(CONTAINER, held)
    inputs = started(
        prefix,
        command=["sh", "-c", "cat /run/secrets/word; echo > /run/secrets/word; echo > /word; exec sleep 600"],
        readOnly=True,
        capabilities={"drops": ["ALL"], "adds": ["CAP_CHOWN"]},
        tmpfs={"/tmp": "size=1m,mode=1777"},
        volumes=[{"fromContainer": f"{holder.id}:ro"}, {"containerPath": "/scratch"}],
    )
    made = plugin.create(CONTAINER, inputs)
    said = plugin.client.logs(made.id).decode()
    assert "sesame" in said and said.count("Read-only file system") == 2
    for resource, wanted in ((holder, held), (made, inputs)):
        refreshed = plugin.refresh(resource)
        assert refreshed is not None and plugin.diff(refreshed, wanted).kind == "none"
    assert plugin.diff(made, {**inputs, "readOnly": False}).kind == "replace (delete first)"

    volumes = {mount["Name"] for mount in plugin.client.inspect_container(made.id)["Mounts"] if mount.get("Name")}
    assert len(volumes) == 2
    plugin.delete(made)
    assert len(volumes & present(plugin)) == 1, "the holder's own is still lent"
    plugin.delete(holder)
    assert not volumes & present(plugin)


def present(plugin: Plugin) -> set[str]:
    return {found["Name"] for found in plugin.client.volumes()["Volumes"] or []}


def test_a_container_is_on_several_networks_under_a_name_in_each(plugin: Plugin, prefix: str):
    names = [plugin.create(NETWORK, {"name": f"{prefix}-{which}"}).outputs["name"] for which in ("front", "database")]
    inputs = started(prefix, networksAdvanced=[{"name": name, "aliases": ["app"]} for name in names])
    made = plugin.create(CONTAINER, inputs)
    joined = plugin.client.inspect_container(made.id)["NetworkSettings"]["Networks"]
    assert joined.keys() == set(names) and all("app" in endpoint["Aliases"] for endpoint in joined.values())
    refreshed = plugin.refresh(made)
    assert refreshed is not None
    turned = {**inputs, "networksAdvanced": inputs["networksAdvanced"][::-1]}
    assert plugin.diff(refreshed, inputs).kind == plugin.diff(refreshed, turned).kind == "none"
    plugin.delete(made)


def test_limits_and_restart_policy_reach_the_running_container(plugin: Plugin, prefix: str):
    made = plugin.create(CONTAINER, container(prefix, memory=64, memorySwap=64))
    plugin.update(made, container(prefix, memory=96, memorySwap=96, restart="always"))
    host = plugin.client.inspect_container(made.id)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (96 << 20, 96 << 20)
    assert host["RestartPolicy"]["Name"] == "always"


def test_a_container_that_was_stopped_is_started_by_the_next_update(plugin: Plugin, prefix: str):
    inputs = started(prefix)
    made = plugin.create(CONTAINER, inputs)
    plugin.client.kill(made.id)
    stopped = plugin.refresh(made)
    assert stopped is not None
    assert plugin.diff(stopped, inputs).roots == {"mustRun"}
    running = plugin.update(stopped, inputs)
    assert plugin.client.inspect_container(made.id)["State"]["Running"]
    assert plugin.diff(running, inputs).kind == "none"


def test_uploads_are_there_before_the_process_and_volumes_and_networks_too(plugin: Plugin, prefix: str):
    network = plugin.create(NETWORK, {"name": f"{prefix}-net"})
    volume = plugin.create(VOLUME, {"name": f"{prefix}-vol"})
    made = plugin.create(
        CONTAINER,
        started(
            prefix,
            command=[
                "sh",
                "-c",
                "cat /etc/plain /etc/binary; stat -c %a /etc/plain /etc/binary; hostname; exec sleep 600",
            ],
            hostname="app",
            uploads=[
                {"file": "/etc/plain", "content": "plain\n"},
                {"file": "/etc/binary", "contentBase64": "YmluYXJ5Cg==", "permissions": "0400"},
            ],
            volumes=[{"containerPath": "/data", "volumeName": volume.id}],
            networksAdvanced=[{"name": network.outputs["name"], "aliases": ["other"]}],
        ),
    )
    assert plugin.client.logs(made.id).decode().split() == ["plain", "binary", "644", "400", "app"]
    found = plugin.client.inspect_container(made.id)
    assert [mount["Name"] for mount in found["Mounts"]] == [volume.id]
    assert list(found["NetworkSettings"]["Networks"]) == [network.outputs["name"]]
    assert "other" in found["NetworkSettings"]["Networks"][network.outputs["name"]]["Aliases"]
    for resource in (made, network, volume):
        plugin.delete(resource)


def test_a_container_that_ends_at_once_fails_with_its_last_words(plugin: Plugin, prefix: str):
    with pytest.raises(Refused, match=r"exited with code 3 at once, though it must run; its log says:\s+no such luck"):
        plugin.create(CONTAINER, container(prefix, command=["sh", "-c", "echo no such luck; exit 3"], mustRun=True))


def test_an_unhealthy_container_fails_but_stays_to_be_replaced(plugin: Plugin, prefix: str):
    sick = {"tests": ["CMD-SHELL", "echo I feel ill; exit 1"], "interval": "1s", "retries": 1}
    inputs = container(prefix, healthcheck=sick, wait=True, waitTimeout=3)
    with pytest.raises(
        Refused, match="was not healthy within 3 s, but unhealthy; its healthcheck last said: I feel ill"
    ) as failed:
        plugin.create(CONTAINER, inputs)
    assert failed.value.partial is not None, "the engine is told that the container exists"
    assert plugin.diff(failed.value.partial, inputs).kind == "replace (delete first)"


def test_an_interrupted_wait_for_health_ends_soon_and_is_taken_up_by_the_next_update(plugin: Plugin, prefix: str):
    told_to_stop = Plugin(StandIn("docker", PROVIDER.version, [Container()], connect))
    starting = {"tests": ["CMD", "test", "-e", "/ready"], "interval": "1s", "startPeriod": "1m0s"}
    inputs = container(prefix, healthcheck=starting, wait=True, mustRun=True)
    threading.Timer(1.5, told_to_stop.cancel).start()
    begun = time.monotonic()
    with pytest.raises(Refused, match="the wait for container .* to become healthy was interrupted") as failed:
        told_to_stop.create(CONTAINER, inputs)
    assert time.monotonic() - begun < 1.5 + 2

    made = failed.value.partial
    assert made is not None, "the engine is told that the container exists"
    refreshed = plugin.refresh(made)
    assert refreshed is not None
    difference = plugin.diff(refreshed, inputs)
    assert (difference.kind, difference.roots) == ("update", {"mustRun"})
    ready = plugin.client.exec_create(made.id, ["touch", "/ready"])["Id"]
    plugin.client.exec_start(ready)
    healthy = plugin.update(refreshed, inputs)
    assert plugin.client.inspect_container(made.id)["State"]["Health"]["Status"] == "healthy"
    assert plugin.diff(healthy, inputs).kind == "none"


def test_a_port_in_use_is_named_and_nothing_is_left_behind(plugin: Plugin, prefix: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=rf"port 127\.0\.0\.1:{port} is already in use; stop what listens there"):
            plugin.create(CONTAINER, container(prefix, ports=[{"internal": 80, "external": port, "ip": "127.0.0.1"}]))
    assert plugin.client.containers(all=True, filters={"name": prefix}) == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"image": BASE, "nam": "x"}, "did you mean 'name'?"),
        ({"name": "x"}, "'image' is required"),
        ({"image": BASE, "wait": True}, "'wait' needs a 'healthcheck'"),
        (
            {"image": BASE, "ports": [{"internal": "80"}]},
            r"'ports\[0\]\.internal' must be a whole number, not a string",
        ),
        ({"image": BASE, "uploads": [{"file": "/x"}]}, "takes exactly one of 'content'"),
        (
            {"image": BASE, "healthcheck": {"tests": ["CMD", "x"], "interval": "fast"}},
            "'healthcheck.interval' is 'fast', not a duration",
        ),
    ],
)
def test_wrong_container_inputs_are_named(plugin: Plugin, inputs: dict[str, Any], reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(CONTAINER, inputs)
