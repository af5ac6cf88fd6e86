"""Every property that a program sets is handled by a stand-in, not ignored."""

from collections.abc import Callable, Mapping
from typing import Any

import pulumi
import pulumi_docker as docker

from offline.providers import checks

from .stacks import providers

Registered = Mapping[tuple[str, str], Mapping[str, Any]]


class Recorder(pulumi.runtime.Mocks):
    """Answers every registration with its own inputs and keeps them by type and name."""

    def __init__(self):
        self.resources: dict[tuple[str, str], Mapping[str, Any]] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources[args.typ, args.name] = args.inputs
        return f"{args.name}-id", {"name": args.name, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


def registered(program: Callable[[], Any]) -> Registered:
    """What a program registers, by type and name; no server is there."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder)
    pulumi.runtime.test(lambda: program() and None)()
    return recorder.resources


def unhandled(resources: Registered) -> list[str]:
    """What of it no stand-in takes; components and providers are none of theirs."""
    known = {token: type_ for stand_in in providers().values() for token, type_ in stand_in.types.items()}
    found = []
    for (token, name), inputs in resources.items():
        package = token.split(":")[0]
        if package not in providers():
            continue
        if token not in known:
            found.append(f"{name}: there is no stand-in for {token}")
        else:
            found += [f"{name}: {reason}" for _, reason in checks.failures(inputs, known[token].properties)]
    return found


def test_what_a_stand_in_does_not_take_is_found():
    def program() -> None:
        docker.Network("good", driver="bridge", labels=[docker.NetworkLabelArgs(label="a", value="b")])
        docker.Secret("missing", name="s", data="x")
        docker.Container("devices", image="i", devices=[docker.ContainerDeviceArgs(host_path="/dev/null")])

    found = unhandled(registered(program))
    assert len(found) == 2
    assert "there is no stand-in for docker:index/secret:Secret" in found[0]
    assert "there is no input 'devices' here" in found[1]
