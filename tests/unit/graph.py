"""The graph that the real program declares: what it registers, recorded instead of made."""

import contextvars
import json
import runpy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from google.protobuf import json_format
from pulumi.runtime import mocks, rpc

ROOT = Path(__file__).parents[2]
PROJECT = "mlflow-platform"


def stack_file(path: Path) -> dict[str, str]:
    """A stack file's configuration, as the engine hands it to a program: text as it is, all else as JSON."""
    config: dict[str, Any] = yaml.safe_load(path.read_text())["config"]
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


DEV = {**stack_file(ROOT / "Pulumi.dev.yaml"), f"{PROJECT}:images": "local"}


@dataclass(frozen=True, eq=False)
class Resource:
    """One registration; `inputs` are plain values, `secret` names those of them that hold a secret."""

    token: str
    name: str
    urn: str
    inputs: dict[str, Any]
    secret: frozenset[str]
    needs: frozenset[str]  # urns of what has to be there before
    kept: bool  # outlives the stack


@dataclass(frozen=True)
class Graph:
    """What one run of the program declared."""

    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    secret_outputs: frozenset[str]

    def of(self, token: str) -> list[Resource]:
        """All resources whose type ends in this."""
        return [resource for resource in self.resources if resource.token.endswith(token)]

    def the(self, token: str, name: str) -> Resource:
        (found,) = (resource for resource in self.of(token) if resource.name == name)
        return found

    def container(self, name: str) -> Resource:
        return self.the(":Container", name)

    @property
    def services(self) -> list[Resource]:
        """The containers that run."""
        return [container for container in self.of(":Container") if container.inputs["mustRun"]]

    @property
    def holders(self) -> list[Resource]:
        """The containers that never run, and hold files for those that do."""
        return [container for container in self.of(":Container") if not container.inputs["mustRun"]]

    def before(self, resource: Resource) -> set[Resource]:
        """Everything that the engine makes before it starts with this one, at whatever distance."""
        by_urn = {other.urn: other for other in self.resources}
        found: set[str] = set()
        waiting = set(resource.needs)
        while waiting:
            found |= waiting
            waiting = {urn for known in waiting & by_urn.keys() for urn in by_urn[known].needs} - found
        return {by_urn[urn] for urn in found & by_urn.keys()}

    def upload(self, service: str, path: str) -> str:
        uploads = self.container(f"{service}-files").inputs["uploads"]
        return next(upload["content"] for upload in uploads if upload["file"] == path)


class Servers(pulumi.runtime.Mocks):
    """What the providers would answer: the inputs, and what the servers make up themselves."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", {"name": args.name, **args.inputs, **self._computed(args)}

    def _computed(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        match args.typ.split(":")[-1]:
            case "RandomString":
                return {"result": f"KEY-{args.name.upper()}"}
            case "RandomPassword":
                return {"result": pulumi.Output.secret(f"made-up-{args.name}")}
            case "Client":
                secret = pulumi.Output.secret(f"made-up-client-{args.name}")
                return {"clientSecret": secret, "serviceAccountUserId": f"service-account-of-{args.name}"}
            case "Image":
                return {"repoDigest": f"sha256:built-{args.name}"}
            case "RemoteImage":
                return {"imageId": f"sha256:pulled-{args.name}"}
            case "PrivateKey":
                key = pulumi.Output.secret(f"made-up-key-{args.name}")
                return {"privateKeyPem": key, "privateKeyOpenssh": key, "publicKeyOpenssh": f"ssh-ed25519 {args.name}"}
            case "CertRequest":
                return {"certRequestPem": f"request-{args.name}"}
            case "SelfSignedCert" | "LocallySignedCert":
                return {"certPem": f"certificate-{args.name}"}
        return {}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        return {}, None


class _Recorder(mocks.MockMonitor):
    """The engine's side, which keeps every request: mocks alone do not see dependencies, providers or options."""

    def __init__(self):
        super().__init__(Servers())
        self.recorded: list[Resource] = []

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        inputs = json_format.MessageToDict(request.object)
        needs = {*request.dependencies, request.parent, request.provider.rpartition("::")[0]}
        self.recorded.append(
            Resource(
                token=request.type,
                name=request.name,
                urn=response.urn,
                inputs={key: _plain(value) for key, value in inputs.items()},
                secret=frozenset(key for key, value in inputs.items() if _holds_secret(value)),
                needs=frozenset(needs - {""}),
                kept=request.retainOnDelete,
            )
        )
        return response


def declare(config: Mapping[str, str], stack: str = "dev") -> Graph:
    """Runs __main__.py against mocks to its end, in a context of its own, so that no run sees another."""
    return contextvars.Context().run(_declare, config, stack)


def _declare(config: Mapping[str, str], stack: str) -> Graph:
    recorder = _Recorder()
    pulumi.runtime.set_mocks(recorder.mocks, project=PROJECT, stack=stack, monitor=recorder)
    pulumi.runtime.set_all_config(dict(config))
    outputs: dict[str, Any] = {}
    secret: set[str] = set()

    async def resolve(name: str, output: pulumi.Output[Any]) -> None:
        outputs[name] = await output.future()
        if await output.is_secret():
            secret.add(name)

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")
        root: Any = pulumi.runtime.get_root_resource()
        resolved = [resolve(name, pulumi.Output.from_input(value)) for name, value in root.outputs.items()]
        return pulumi.Output.all(*resolved)

    run()
    return Graph(tuple(recorder.recorded), outputs, frozenset(secret))


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def _holds_secret(value: Any) -> bool:
    return _is_secret(value) or any(_holds_secret(item) for item in _items(value))


def _items(value: Any) -> Iterator[Any]:
    yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _plain(value: Any) -> Any:
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
