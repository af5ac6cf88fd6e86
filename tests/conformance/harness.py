"""Drives a stand-in the two ways that Pulumi does.

In-process, through the gRPC servicer (fast; most tests):

    plugin = Plugin(PROVIDER, {"url": ..., "username": ...})
    made = plugin.create("docker:index/network:Network", {"name": "n"})  # check, then create -> Resource
    plugin.diff(made, {"name": "other"}).kind     # "none", "update", "replace" or "replace (delete first)"
    made = plugin.update(made, {...}); found = plugin.refresh(made)  # Resource, or None when it is gone
    plugin.imported(token, id); plugin.delete(made)

A resource type's whole life takes one Case (see `live`): create, preview, no-op, update, replace, refresh with and
without drift, import, delete, delete again.

    CASES = [Case("docker:index/volume:Volume", {"name": "v"}, replace={"driverOpts": {...}}, vanish=lambda made: ...)]

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.token)
    def test_life(plugin, case): live(plugin, case)

Through the real CLI (the fixture `pulumi_stack` of conftest.py, once per provider):

    stack = pulumi_stack(program)         # a function that declares resources with the SDK
    stack.up(); stack.changes_of_preview(); stack.refresh(); stack.state_file(); stack.destroy()
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2 as proto
from pulumi.runtime.proto import status_pb2

from offline.providers.base import StandIn
from offline.providers.server import Servicer
from offline.providers.values import plain, without_internals, wrap


class Refused(Exception):
    """The provider's error, as the user would read it, and the resource that exists in spite of it."""

    def __init__(self, message: str, partial: "Resource | None" = None):
        super().__init__(message)
        self.partial = partial


@dataclass(frozen=True)
class Resource:
    """A resource as the engine keeps it."""

    token: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    secrets: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Difference:
    kind: str
    paths: dict[str, Any]

    @property
    def roots(self) -> set[str]:
        return {path.split(".")[0].split("[")[0] for path in self.paths}


class Plugin:
    """A configured provider, called as the engine calls it: values travel as protobuf, errors as gRPC status."""

    def __init__(self, provider: StandIn, config: Mapping[str, Any] | None = None):
        self.provider = provider
        self._servicer = Servicer(provider)
        self._loop = asyncio.new_event_loop()
        self._call("Configure", proto.ConfigureRequest(args=_struct(config or {})))

    @property
    def client(self) -> Any:
        """The provider's own client, for changes behind its back."""
        return self.provider.client()

    def check(self, token: str, inputs: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The checked inputs; raises Refused with every reason where they are wrong."""
        request = proto.CheckRequest(urn=_urn(token), olds=_struct(old or {}), news=_struct(inputs), randomSeed=b"seed")
        answer = self._call("Check", request)
        if answer.failures:
            raise Refused("; ".join(failure.reason for failure in answer.failures))
        return _plain(answer.inputs)

    def create(self, token: str, inputs: Mapping[str, Any]) -> Resource:
        checked = self.check(token, inputs)
        answer = self._call("Create", proto.CreateRequest(urn=_urn(token), properties=_struct(checked)))
        return Resource(token, answer.id, checked, _plain(answer.properties), _secrets(answer.properties))

    def preview(self, token: str, inputs: Mapping[str, Any], made: Resource | None = None) -> dict[str, Any]:
        """The outputs that a preview shows, of an update if it is made; what is not known yet is values.UNKNOWN."""
        checked = self.check(token, inputs, made.inputs if made else None)
        if made:
            olds, news = _struct(made.outputs), _struct(checked)
            update = proto.UpdateRequest(urn=_urn(token), id=made.id, olds=olds, news=news, preview=True)
            return _plain(self._call("Update", update).properties)
        request = proto.CreateRequest(urn=_urn(token), properties=_struct(checked), preview=True)
        return _plain(self._call("Create", request).properties)

    def diff(self, made: Resource, inputs: Mapping[str, Any], *, checked: bool = False) -> Difference:
        """What the program's inputs would change; `checked` inputs are compared as they are."""
        news = inputs if checked else self.check(made.token, inputs, made.inputs)
        request = proto.DiffRequest(
            urn=_urn(made.token),
            id=made.id,
            olds=_struct(made.outputs),
            old_inputs=_struct(made.inputs),
            news=_struct(news),
        )
        answer = self._call("Diff", request)
        paths = {path: proto.PropertyDiff.Kind.Name(change.kind) for path, change in answer.detailedDiff.items()}
        if answer.changes != proto.DiffResponse.DIFF_SOME:
            return Difference("none", paths)
        first = " (delete first)" if answer.deleteBeforeReplace else ""
        return Difference(f"replace{first}" if answer.replaces else "update", paths)

    def update(self, made: Resource, inputs: Mapping[str, Any]) -> Resource:
        checked = self.check(made.token, inputs, made.inputs)
        request = proto.UpdateRequest(
            urn=_urn(made.token), id=made.id, olds=_struct(made.outputs), news=_struct(checked)
        )
        answer = self._call("Update", request)
        return Resource(made.token, made.id, checked, _plain(answer.properties), _secrets(answer.properties))

    def refresh(self, made: Resource) -> Resource | None:
        request = proto.ReadRequest(
            urn=_urn(made.token), id=made.id, properties=_struct(made.outputs), inputs=_struct(made.inputs)
        )
        return self._read(made.token, request)

    def imported(self, token: str, id: str) -> Resource | None:
        return self._read(token, proto.ReadRequest(urn=_urn(token), id=id))

    def delete(self, made: Resource) -> None:
        self._call("Delete", proto.DeleteRequest(urn=_urn(made.token), id=made.id, properties=_struct(made.outputs)))

    def cancel(self) -> None:
        """What Ctrl-C makes the engine call, from any thread; the provider is of no use afterwards."""
        asyncio.run(self.provider.cancel())

    def _read(self, token: str, request: proto.ReadRequest) -> Resource | None:
        answer = self._call("Read", request)
        if not answer.id:
            return None
        return Resource(token, answer.id, _plain(answer.inputs), _plain(answer.properties), _secrets(answer.properties))

    def _call(self, method: str, request: Any) -> Any:
        return self._loop.run_until_complete(getattr(self._servicer, method)(request, _Context(request.urn)))


class _Context:
    """The part of a gRPC call's context that a servicer uses."""

    def __init__(self, urn: str):
        self._urn = urn

    async def abort(self, code: grpc.StatusCode, details: str, metadata: Any = ()) -> None:
        raise Refused(details, self._partial(dict(metadata).get("grpc-status-details-bin")))

    def _partial(self, details: bytes | None) -> Resource | None:
        if not details:
            return None
        failed = proto.ErrorResourceInitFailed()
        status_pb2.Status.FromString(details).details[0].Unpack(failed)
        return Resource(self._urn.split("::")[2], failed.id, _plain(failed.inputs), _plain(failed.properties))


@dataclass(frozen=True)
class Case:
    """One resource type's life against its real server; what a type cannot do is left None.

    inputs       what the program sets at first
    update       what it sets then; the resource must keep its id and hold the new values
    replace      inputs that can only be had with a new resource
    drift        changes the resource behind Pulumi's back, and `drifted` names the properties in which that shows
    vanish       removes the resource behind Pulumi's back
    import_id    how an import names the resource, where that is not its id
    unimportable properties that an import cannot know and therefore sees as a change
    """

    token: str
    inputs: dict[str, Any]
    update: dict[str, Any] | None = None
    replace: dict[str, Any] | None = None
    drift: Callable[[Resource], None] | None = None
    drifted: set[str] = field(default_factory=set)
    vanish: Callable[[Resource], None] | None = None
    import_id: Callable[[Resource], str] = lambda made: made.id
    importable: bool = True
    unimportable: set[str] = field(default_factory=set)


def live(plugin: Plugin, case: Case) -> None:
    """Takes a resource from its creation to its end and leaves nothing behind, whatever fails."""
    made = plugin.create(case.token, case.inputs)
    alive = [made]
    try:
        assert made.id, "a created resource has an id"
        assert plugin.diff(made, case.inputs).paths == {}, "the same program changes nothing"
        _unchanged_by_refresh(plugin, made)
        if case.importable:
            _imports(plugin, made, case)
        if case.update is not None:
            assert plugin.diff(made, case.update).kind == "update"
            made = plugin.update(made, case.update)
            alive[:] = [made]
            assert plugin.diff(made, case.update).paths == {}, "an update leaves nothing to change"
            _unchanged_by_refresh(plugin, made)
        if case.replace is not None:
            assert plugin.diff(made, case.replace).kind.startswith("replace")
        if case.drift is not None:
            case.drift(made)
            found = plugin.refresh(made)
            assert found is not None
            seen = plugin.diff(found, made.inputs, checked=True)
            assert case.drifted <= seen.roots, f"drift must show in {case.drifted}, not only in {seen.paths}"
        if case.vanish is not None:
            case.vanish(made)
            assert plugin.refresh(made) is None, "a refresh sees that the resource is gone"
    finally:
        for resource in alive:
            plugin.delete(resource)
    plugin.delete(made)  # gone already: no error
    if case.importable:
        assert plugin.refresh(made) is None, "a deleted resource is gone from the server"


def _unchanged_by_refresh(plugin: Plugin, made: Resource) -> None:
    found = plugin.refresh(made)
    assert found is not None and found.id == made.id
    assert plugin.diff(found, made.inputs, checked=True).paths == {}, (
        "a refresh of an unchanged resource changes nothing"
    )
    assert without_internals(found.inputs) == without_internals(made.inputs), "nor its inputs"


def _imports(plugin: Plugin, made: Resource, case: Case) -> None:
    found = plugin.imported(made.token, case.import_id(made))
    assert found is not None and found.id == made.id, "an import finds the resource by its id"
    assert plugin.diff(found, made.inputs, checked=True).roots <= case.unimportable


def _struct(values: Mapping[str, Any]) -> Any:
    return PropertyValue.marshal_map(wrap(values, {}))


def _plain(struct: Any) -> dict[str, Any]:
    return plain(PropertyValue.unmarshal_map(struct))


def _secrets(struct: Any) -> frozenset[str]:
    return frozenset(key for key, value in PropertyValue.unmarshal_map(struct).items() if value.is_secret)


def _urn(token: str) -> str:
    return f"urn:pulumi:test::conformance::{token}::res"
