"""The docker stand-in against the real daemon, with a tiny image of its own on the platform's base."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offline.providers.base import StandIn
from offline.providers.docker import PROVIDER, context
from offline.providers.docker.api import connect
from offline.providers.docker.container import Container

from .harness import Case, Plugin, Refused, Resource, live

NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
IMAGE = "docker:index/image:Image"
REMOTE_IMAGE = "docker:index/remoteImage:RemoteImage"
CONTAINER = "docker:index/container:Container"
BASE = "mlflow-platform/base:trixie"

HEALTHY = {"tests": ["CMD", "true"], "interval": "1s", "retries": 2}


@pytest.fixture(scope="module")
def plugin() -> Plugin:
    plugin = Plugin(PROVIDER)
    if not plugin.client.images(BASE):
        pytest.fail(f"there is no image {BASE}: `./platform up` or `./platform test` makes it")
    return plugin


@pytest.fixture
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


pytestmark = pytest.mark.usefixtures("clean")


def container(prefix: str, **inputs: Any) -> dict[str, Any]:
    base = {
        "name": f"{prefix}-c",
        "image": BASE,
        "command": ["sleep", "600"],
        "stopSignal": "SIGKILL",
        "mustRun": False,
    }
    return {**base, **inputs}


def started(prefix: str, **inputs: Any) -> dict[str, Any]:
    """A container that is waited for."""
    return container(prefix, healthcheck=HEALTHY, wait=True, mustRun=True, **inputs)


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


def test_a_remote_image_lives(plugin: Plugin, prefix: str):
    name = f"{prefix}/remote:1"
    plugin.client.tag(BASE, f"{prefix}/remote", "1")
    live(
        plugin,
        Case(
            REMOTE_IMAGE,
            {"name": name},
            update={"name": name, "forceRemove": True},
            replace={"name": BASE},
            vanish=lambda made: plugin.client.remove_image(name),
            unimportable={"forceRemove"},
        ),
    )


def test_a_kept_image_outlives_its_resource(plugin: Plugin, prefix: str):
    plugin.client.tag(BASE, f"{prefix}/kept", "1")
    made = plugin.create(REMOTE_IMAGE, {"name": f"{prefix}/kept:1", "keepLocally": True})
    plugin.delete(made)
    assert plugin.client.images(f"{prefix}/kept")


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

    def present(volume: str) -> bool:
        return any(found["Name"] == volume for found in plugin.client.volumes()["Volumes"] or [])

    made, volume = unnamed()
    assert present(volume)
    plugin.delete(made)
    assert not present(volume)

    made, volume = unnamed(removeVolumes=False)
    plugin.delete(made)
    assert present(volume), "they are kept where the program says so"
    plugin.client.remove_volume(volume)


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


def test_an_image_is_built_rebuilt_and_left_behind(plugin: Plugin, prefix: str, tmp_path: Path):
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(f"FROM {BASE} AS one\nARG WORD\nRUN echo $WORD > /word\nCOPY data /data\n")
    (tmp_path / "data").write_text("1")
    inputs = {
        "imageName": f"{prefix}/app:dev",
        "skipPush": True,
        "build": {
            "context": str(tmp_path),
            "dockerfile": str(dockerfile),
            "platform": "linux/amd64",
            "args": {"WORD": "hi"},
        },
    }
    made = plugin.create(IMAGE, inputs)
    assert made.id == f"{prefix}/app:dev"
    assert made.outputs["repoDigest"] == plugin.client.inspect_image(made.id)["Id"]
    assert made.outputs["dockerfile"] == "Dockerfile"
    assert plugin.diff(made, inputs).kind == "none"
    assert plugin.refresh(made) == made

    (tmp_path / "data").write_text("2")
    assert plugin.diff(made, inputs).paths.keys() == {"build.contextDigest"}
    assert plugin.diff(made, inputs).kind == "update"
    again = plugin.update(made, inputs)
    assert again.outputs["repoDigest"] != made.outputs["repoDigest"]
    plugin.client.remove_image(made.outputs["repoDigest"])
    plugin.delete(again)
    assert plugin.client.images(made.id)


def test_a_failed_build_names_the_image_the_step_and_its_output(plugin: Plugin, prefix: str, tmp_path: Path):
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo before; echo the reason >&2; exit 7\n")
    with pytest.raises(Refused) as failed:
        plugin.create(
            IMAGE,
            {
                "imageName": f"{prefix}/bad:dev",
                "skipPush": True,
                "build": {"context": str(tmp_path), "platform": "linux/amd64"},
            },
        )
    message = str(failed.value)
    assert message.startswith(f"cannot build image {prefix}/bad:dev: Step 2/2 : RUN")
    assert "non-zero code: 7" in message
    assert {"    before", "    the reason"} <= set(message.splitlines())


def test_a_missing_dockerfile_is_named(plugin: Plugin, tmp_path: Path):
    with pytest.raises(Refused, match="there is no Dockerfile"):
        plugin.check(IMAGE, {"imageName": "x", "build": {"context": str(tmp_path)}})


# Digests that the official plugin's own algorithm gave for the tree below, by its .dockerignore.
DIGESTS = {
    "": "327bd85bce6d7419b25e050da17dee6c882723cae3afc8fe7c13150de5ef5e92",
    "# comment\n.git\n*.md\n!keep/**/*.md\n/node\n**/*.log\nsp ace/f[0-9].txt\n": (
        "28116c23ba06dd84c2539db3b2f1a8bd45c67228d89bdb7c175db70ed6fb47d5"
    ),
    "*\n!a": "c069439690726a7d6c2c0302c80c6721e77c0d7e8bded8a20baf7aa19f8363b8",
    "**\n!**/*.js": "6848b11e9f6ab464d7a4b82a841fa2a6fcf1df97888641a79cefc6030e9bc22c",
    "keep/*\n!keep/deep\na/**": "661d3127a930867b3b0c428c9d3b6bb354d1e84901fd4feb861c1b92729378d7",
}


@pytest.mark.parametrize(("ignored", "expected"), DIGESTS.items())
def test_the_context_digest_is_the_official_one(
    tmp_path: Path, ignored: str, expected: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    files = {"Dockerfile": "FROM scratch\nCOPY . /\n", "a/one.txt": "one", "a/b/two.log": "two", "a.txt": "x"}
    files |= {".git/config": "g", "keep/deep/k.md": "k", "README.md": "r", "node/x/n.js": "n", "sp ace/f1.txt": "2"}
    for name, content in {**files, ".dockerignore": ignored}.items():
        path = tmp_path / "ctx" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o644)
    (tmp_path / "ctx/a/one.txt").chmod(0o755)
    (tmp_path / "ctx/link").symlink_to("a/one.txt")
    (tmp_path / "ctx/keep/dirlink").symlink_to("../a/b")
    assert context.digest("ctx", "ctx/Dockerfile") == expected
