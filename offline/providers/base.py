"""A stand-in for an official provider plugin: resource types in, a Pulumi provider out.

How to write one (random.py is the smallest whole example):

    class Thing(ResourceType):
        \"""package:index/thing:Thing (official plugin and version, source of the upstream facts).\"""

        token = "package:index/thing:Thing"
        properties = {
            "name": Prop(str, auto_name=True, replaces=True),
            "size": Prop(int, required=True),
            "labels": Prop(list, of={"label": Prop(str, required=True), "value": Prop(str)}, unordered=True),
            "address": Prop(str, output=True),
        }
        delete_before_replace = True

        def create(self, client, inputs): ...        # -> id, outputs
        def read(self, client, id, state): ...       # -> outputs, or None when gone; state is {} at an import
        def update(self, client, id, state, inputs): ...  # -> outputs
        def delete(self, client, id, state): ...

    PROVIDER = StandIn("package", "1.2.3", [Thing()], connect=connect, config={"port": Prop(int)})

    if __name__ == "__main__":
        serve(PROVIDER)  # of server.py

`connect(config)` gets the provider's configuration as plain values (typed by `config`) and returns the client that the
four methods are given; it is called once, when a method first needs it, so neither a preview nor a check contacts a
server. It raises `ProviderError` with one sentence where the server cannot be reached. Import client libraries inside
functions: a plugin's start-up counts in every `pulumi up`.

The base does the rest: checks, defaults and generated names (checks.py), detailed diffs (diffs.py), secrets and unknown
values (values.py), previews, import and refresh, progress (engine.py) and error reports (server.py).
"""

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pulumi.provider.experimental import provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from . import checks, diffs
from .engine import EngineLog, log, pause, under_engine
from .schema import MISSING, CheckError, InitFailed, Interrupted, Prop, ProviderError, ResourceType
from .values import UNKNOWN, canonical, is_zero, plain, without_internals, wrap

__all__ = [
    "CheckError",
    "InitFailed",
    "Interrupted",
    "Prop",
    "ProviderError",
    "ResourceType",
    "StandIn",
    "log",
    "pause",
]

T = TypeVar("T")

_PARALLEL = 32  # blocking calls at once; a container that waits to become healthy holds one


class StandIn(sdk.Provider):
    """The provider of one package, made of its resource types."""

    def __init__(
        self,
        package: str,
        version: str,
        types: Sequence[ResourceType],
        connect: Callable[[dict[str, Any]], Any] = lambda config: None,
        config: Mapping[str, Prop] | None = None,
    ):
        self.package = package
        self.version = version
        self.types = {type_.token: type_ for type_ in types}
        self._connect = connect
        self._config_schema = config or {}
        self._config: dict[str, Any] = {}
        self._client: Any = None
        self._connecting = threading.Lock()
        self._stopped = threading.Event()
        self._threads = ThreadPoolExecutor(_PARALLEL)

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        self._config = {key: self._configured(key, value) for key, value in plain(request.args).items()}
        self._client = None
        return sdk.ConfigureResponse(supports_preview=True)

    def _configured(self, key: str, value: Any) -> Any:
        """A configuration value in its type: the SDKs send whatever is not a string as JSON text."""
        prop = self._config_schema.get(key)
        return json.loads(value) if prop and prop.type is not str and isinstance(value, str) else value

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        type_ = self.type_of(request.urn)
        inputs = without_internals(plain(request.new_inputs))
        wrong = [sdk.CheckFailure(path, reason) for path, reason in checks.failures(inputs, type_.properties)]
        if wrong:
            return sdk.CheckResponse(request.new_inputs, wrong)
        old = plain(request.old_inputs)
        complete = checks.completed(inputs, type_.properties, old, request.name, request.random_seed)
        try:
            complete = type_.check(complete)
        except CheckError as error:
            return sdk.CheckResponse(request.new_inputs, [sdk.CheckFailure(error.path, error.reason)])
        return sdk.CheckResponse(wrap(complete, {}), [])

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        type_ = self.type_of(request.urn)
        state, inputs = type_.comparable(plain(request.old_state)), plain(request.new_inputs)
        changes = diffs.detailed(state, inputs, type_.properties, request.ignore_changes)
        changes |= diffs.of_outputs(type_.outdated(state, inputs), type_.properties)
        replaces = sorted({diffs.root(path) for path in changes if type_.properties[diffs.root(path)].replaces})
        return sdk.DiffResponse(
            changes=bool(changes),
            replaces=replaces,
            delete_before_replace=bool(replaces) and type_.delete_before_replace,
            diffs=sorted({diffs.root(path) for path in changes}),
            detailed_diff=changes,
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        type_ = self.type_of(request.urn)
        inputs = plain(request.properties)
        if request.preview:
            return sdk.CreateResponse("", wrap(_planned(type_, inputs), type_.properties))
        id, outputs = await self._run(request.urn, lambda: type_.create(self.client(), inputs))
        return sdk.CreateResponse(id, self.wrapped_outputs(type_, id, outputs))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        type_ = self.type_of(request.urn)
        state, inputs = plain(request.olds), plain(request.news)
        if request.preview:
            return sdk.UpdateResponse(wrap(_planned(type_, inputs, state), type_.properties))
        outputs = await self._run(request.urn, lambda: type_.update(self.client(), request.resource_id, state, inputs))
        return sdk.UpdateResponse(self.wrapped_outputs(type_, request.resource_id, outputs))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        type_ = self.type_of(request.urn)
        state = plain(request.properties)
        outputs = await self._run(request.urn, lambda: type_.read(self.client(), request.resource_id, state))
        if outputs is None:
            return sdk.ReadResponse("")
        id = outputs.get("id", request.resource_id)
        if state or request.inputs:
            inputs = _refreshed_inputs(type_, plain(request.inputs), outputs)
        else:
            inputs = _imported_inputs(type_, outputs)
        return sdk.ReadResponse(id, self.wrapped_outputs(type_, id, outputs), wrap(inputs, type_.properties))

    async def delete(self, request: sdk.DeleteRequest) -> None:
        type_ = self.type_of(request.urn)
        state = plain(request.properties)
        await self._run(request.urn, lambda: type_.delete(self.client(), request.resource_id, state))

    async def cancel(self) -> None:
        """Ends what is being waited for; the engine calls it once, for good, when it is told to stop."""
        self._stopped.set()

    def client(self) -> Any:
        """The client, made at the first call; a failed attempt is made again at the next."""
        with self._connecting:
            if self._client is None:
                self._client = self._connect(self._config)
            return self._client

    async def _run(self, urn: str, action: Callable[[], T]) -> T:
        """Runs a blocking call in a thread, where `log` reports on the given resource and `pause` heeds `cancel`."""
        context = contextvars.copy_context()
        context.run(under_engine, EngineLog(urn), self._stopped)
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, action)

    def type_of(self, urn: str) -> ResourceType:
        """The resource type that a URN names."""
        token = urn.split("::")[2].rsplit("$", 1)[-1]
        if token not in self.types:
            known = ", ".join(sorted(self.types))
            raise ProviderError(f"the offline {self.package} provider has no type {token}; it has {known}")
        return self.types[token]

    def wrapped_outputs(self, type_: ResourceType, id: str, outputs: dict[str, Any]) -> dict[str, PropertyValue]:
        """A method's outputs with what every state of the type has."""
        fixed = {"id": id} if type_.id_in_outputs else {}
        if type_.meta:
            fixed["__meta"] = type_.meta
        return wrap({**outputs, **fixed}, type_.properties)


def _planned(type_: ResourceType, inputs: dict[str, Any], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """The outputs as far as they are known before anything is done; state is given where an update is planned."""
    outputs = dict(inputs)
    for name, prop in type_.properties.items():
        if name in outputs or prop.write_only:
            continue
        if state is not None and not _may_change(prop, inputs, state):
            if (prop.output or prop.computed) and name in state:
                outputs[name] = state[name]
        elif prop.output or prop.computed:
            outputs[name] = UNKNOWN
        if prop.implied is not MISSING:
            outputs[name] = prop.implied
    return outputs


def _may_change(prop: Prop, inputs: dict[str, Any], state: dict[str, Any]) -> bool:
    """Whether an update from this state to these inputs may change an output."""
    if not isinstance(prop.volatile, str):
        return prop.volatile
    before, after = state.get(prop.volatile), inputs.get(prop.volatile)
    return before != after and not (is_zero(before) and is_zero(after))


def _refreshed_inputs(type_: ResourceType, inputs: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs as they would read to give these outputs: only what drifted is changed."""
    drifted = diffs.detailed(type_.comparable(outputs), inputs, type_.properties, [])
    roots = {diffs.root(path) for path in drifted}
    result = {}
    for name, value in inputs.items():
        if name not in roots:
            result[name] = value
        elif not is_zero(outputs.get(name)):
            result[name] = canonical(outputs[name])
    return result


def _imported_inputs(type_: ResourceType, outputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs that a program would need to describe what was imported: no zero values, no defaults of the server."""
    result = {}
    for name, prop in type_.properties.items():
        value = outputs.get(name)
        chosen_by_server = prop.computed and not prop.auto_name
        if prop.output or prop.write_only or chosen_by_server or is_zero(value) or value == prop.implied:
            continue
        result[name] = canonical(value)
    return result
