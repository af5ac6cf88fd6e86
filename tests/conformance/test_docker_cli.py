"""A stack of docker and random resources through the real CLI, from its first preview to its end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_random as random
import pytest
from pulumi import automation

from offline.providers.docker.api import connect

from .stacks import Stack

BASE = "mlflow-platform/base:trixie"


class Program:
    """A small platform: a network, a volume, an image, a password and a container that holds it in a file."""

    def __init__(self, prefix: str, context: Path):
        self.prefix = prefix
        self.context = context
        self.memory = 64
        self.command = ["sleep", "600"]

    def __call__(self) -> None:
        network = docker.Network("net", name=f"{self.prefix}-net")
        volume = docker.Volume("data", name=f"{self.prefix}-data")
        password = random.RandomPassword("password", length=24, special=False)
        image = docker.Image(
            "image",
            image_name=f"{self.prefix}/app:dev",
            build=docker.DockerBuildArgs(context=str(self.context), platform="linux/amd64"),
            skip_push=True,
        )
        container = docker.Container(
            "app",
            name=f"{self.prefix}-app",
            image=image.repo_digest,
            command=self.command,
            stop_signal="SIGKILL",
            memory=self.memory,
            memory_swap=self.memory,
            uploads=[docker.ContainerUploadArgs(file="/run/secret", content=password.result)],
            volumes=[docker.ContainerVolumeArgs(container_path="/data", volume_name=volume.name)],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=network.name, aliases=["app"])],
            healthcheck=docker.ContainerHealthcheckArgs(tests=["CMD", "true"], interval="1s"),
            wait=True,
        )
        pulumi.export("container", container.id)
        pulumi.export("password", password.result)


@pytest.fixture
def program(prefix: str, tmp_path: Path) -> Program:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {BASE}\nLABEL of={prefix}-cli\n")
    return Program(f"{prefix}-cli", context)


@pytest.fixture
def stack(pulumi_stack: Callable[..., Stack], program: Program) -> Iterator[Stack]:
    stack = pulumi_stack(program)
    yield stack
    stack.destroy()
    daemon = connect({})
    for image in daemon.images(filters={"label": f"of={program.prefix}"}, quiet=True):
        daemon.remove_image(image, force=True)  # the one that was replaced has no name


@pytest.mark.slow  # e2e takes the whole program through the same
def test_a_stack_lives(stack: Stack, program: Program):
    daemon = connect({})
    created = stack.preview()
    assert created["create"] == 6
    assert daemon.containers(all=True, filters={"name": program.prefix}) == [], "a preview makes nothing"

    assert stack.up()["create"] == 6
    assert stack.up() == {"same": 6}
    assert stack.refresh() == {"same": 6}
    assert stack.preview() == {"same": 6}

    password = stack.outputs()["password"]
    assert len(password) == 24
    assert password not in stack.state_file(), "what the program holds secret is nowhere in plain text"
    assert password not in str(daemon.inspect_container(stack.outputs()["container"]))

    program.memory = 96
    assert stack.up() == {"same": 5, "update": 1}
    assert daemon.inspect_container(f"{program.prefix}-app")["HostConfig"]["Memory"] == 96 << 20

    daemon.kill(f"{program.prefix}-app")
    assert stack.refresh()["update"] == 1, "a refresh sees the stopped container"
    assert stack.preview()["update"] == 1
    assert stack.up()["update"] == 1
    assert daemon.inspect_container(f"{program.prefix}-app")["State"]["Running"]

    (program.context / "Dockerfile").write_text(f"FROM {BASE}\nLABEL of={program.prefix} changed=yes\n")
    changed = stack.up()
    assert (changed["update"], changed["replace"]) == (1, 1), "a rebuilt image reaches its container"
    assert stack.up() == {"same": 6}

    daemon.remove_container(f"{program.prefix}-app", force=True)
    assert stack.refresh()["delete"] == 1
    assert stack.up() == {"same": 5, "create": 1}

    stack.destroy()
    assert daemon.containers(all=True, filters={"name": program.prefix}) == []
    assert daemon.networks(names=[program.prefix]) == []


def test_a_container_that_does_not_come_up_stays_in_the_state_and_is_replaced(stack: Stack, program: Program):
    program.command = ["sh", "-c", "echo no configuration >&2; exit 3"]
    with pytest.raises(automation.CommandError, match="exited with code 3 before it was healthy") as failed:
        stack.up()
    assert "no configuration" in str(failed.value)
    assert "app" in stack.resources()

    program.command = ["sleep", "600"]
    changed = stack.up()
    assert changed["replace"] == 1
    assert stack.up() == {"same": 6}
