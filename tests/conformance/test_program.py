"""Every property that a program sets is handled by a stand-in, not ignored."""

import contextvars
import json
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pulumi_docker as docker
import pulumi_keycloak as keycloak
import pytest
import yaml
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.mocks import MockMonitor

from offline.providers import checks, values

from .stacks import providers

ROOT = Path(__file__).parents[2]
PROJECT = "mlflow-platform"
Registered = Mapping[tuple[str, str], Mapping[str, Any]]


# What servers make up and a program passes on; the same for every type, since a type without it does not look.
MADE_UP = {
    "result": "made up",
    "clientSecret": "made up",
    "serviceAccountUserId": "made up",
    "imageId": "sha256:0",
    "repoDigest": "sha256:0",
    "privateKeyPem": "made up",
    "certPem": "made up",
    "certRequestPem": "made up",
}


class Servers(pulumi.runtime.Mocks):
    """Answers every registration with its own inputs."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", {"name": args.name, **MADE_UP, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


class Recorder(MockMonitor):
    """Keeps the inputs of every registration as a stand-in would see them, by type and name."""

    def __init__(self):
        super().__init__(Servers())
        self.registered: dict[tuple[str, str], Mapping[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:
        self.registered[request.type, request.name] = values.plain(PropertyValue.unmarshal_map(request.object))
        return super().RegisterResource(request)


def platform(file: Path, images: str) -> Registered:
    """What the project's own program registers for a stack file."""
    config: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    config[f"{PROJECT}:images"] = images

    def program() -> None:
        pulumi.runtime.set_all_config(
            {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
        )
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")

    return contextvars.Context().run(registered, program)  # its configuration and outputs end with it


def registered(program: Callable[[], Any]) -> Registered:
    """What a program registers, by type and name; no server is there."""
    recorder = Recorder()
    pulumi.runtime.set_mocks(recorder.mocks, project=PROJECT, monitor=recorder)
    pulumi.runtime.test(lambda: program() and None)()
    return recorder.registered


def unhandled(resources: Registered) -> list[str]:
    """What of it no stand-in takes; components are none of theirs."""
    known = {token: type_.properties for stand_in in providers().values() for token, type_ in stand_in.types.items()}
    found = []
    for (token, name), inputs in resources.items():
        package = token.removeprefix("pulumi:providers:").split(":")[0]
        if package not in providers():
            continue
        if token.startswith("pulumi:providers:"):
            config = providers()[package]._config_schema
            found += [f"{name}: there is no configuration '{key}' here" for key in inputs.keys() - config.keys()]
        elif token not in known:
            found.append(f"{name}: there is no stand-in for {token}")
        else:
            found += [f"{name}: {reason}" for _, reason in checks.failures(inputs, known[token])]
    return found


def test_what_a_stand_in_does_not_take_is_found():
    def program() -> None:
        docker.Network("good", driver="bridge", labels=[docker.NetworkLabelArgs(label="a", value="b")])
        docker.Secret("missing", name="s", data="x")
        docker.Container("devices", image="i", devices=[docker.ContainerDeviceArgs(host_path="/dev/null")])
        keycloak.Provider("elsewhere", url="http://127.0.0.1:1", tls_insecure_skip_verify=True)

    found = unhandled(registered(program))
    assert len(found) == 3
    assert "there is no stand-in for docker:index/secret:Secret" in found[0]
    assert "there is no input 'devices' here" in found[1]
    assert "there is no configuration 'tlsInsecureSkipVerify' here" in found[2]


@pytest.mark.parametrize("images", ["local", "registry"])
def test_everything_that_the_platform_sets_is_taken(images: str):
    packages: set[str] = set()
    for file in ROOT.glob("Pulumi.*.yaml"):
        resources = platform(file, images)
        packages |= {token.split(":")[0] for token, _ in resources}
        assert unhandled(resources) == [], file.name
    assert providers().keys() <= packages
