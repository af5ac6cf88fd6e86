"""The stand-ins against what the official plugins publish: the types in the SDK wheels."""

import enum
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest
from pulumi import _types as sdk_types  # the SDKs' own tables of names and types have no public door

from offline.providers.schema import Prop

from .stacks import providers

TYPES = {token: type_ for stand_in in providers().values() for token, type_ in stand_in.types.items()}
SCALARS = {str, int, float, bool}

every_type = pytest.mark.parametrize("token", sorted(TYPES))


def sdk_class(token: str) -> type[pulumi.CustomResource]:
    """The SDK's class of a type token: docker:index/network:Network is pulumi_docker.Network."""
    package, path, name = token.split(":")
    module = path.split("/")[0]
    return getattr(importlib.import_module(f"pulumi_{package}" + ("" if module == "index" else f".{module}")), name)


def inputs_of(class_: type) -> Mapping[str, Any]:
    """What an SDK class takes, by Pulumi's names."""
    return sdk_types.input_type_types(getattr(inspect.getmodule(class_), f"{class_.__name__}Args"))


def mismatches(prop: Prop, hint: Any, path: str) -> Iterator[str]:
    """Where a property is not of the SDK's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:  # what a program may give; the plain type comes first
        yield from mismatches(prop, arguments[0], path)
    elif inspect.isclass(hint) and issubclass(hint, enum.Enum):
        yield from mismatches(prop, str, path)
    elif hint in SCALARS:
        if prop.type is not hint and {prop.type, hint} != {int, float}:
            yield f"{path} is {hint.__name__} in the SDK, not {prop.type.__name__}"
    elif origin is not None and issubclass(origin, Mapping):
        yield from [f"{path} is a map in the SDK"] if prop.type is not dict else _within(prop, arguments[1], path)
    elif origin is not None:
        yield from [f"{path} is a list in the SDK"] if prop.type is not list else _within(prop, arguments[0], path)
    else:
        yield from [f"{path} is an object in the SDK"] if prop.type is not dict else _within(prop, hint, path)


def _within(prop: Prop, hint: Any, path: str) -> Iterator[str]:
    if isinstance(prop.of, type):
        yield from mismatches(Prop(prop.of), hint, f"{path}[]")
    elif prop.of is not None:
        item = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Union else hint
        known = sdk_types.input_type_types(item) or sdk_types.output_type_types(item)
        for name, nested in prop.of.items():
            if name in known:
                yield from mismatches(nested, known[name], f"{path}.{name}")
            elif not nested.output:
                yield f"{path}.{name} is not in the SDK"


@every_type
def test_every_property_is_in_the_sdk_with_the_same_type(token: str):
    class_ = sdk_class(token)
    accepted, returned = inputs_of(class_), sdk_types.resource_types(class_)
    wrong = []
    for name, prop in TYPES[token].properties.items():
        known = returned if prop.output else accepted
        if name in known:
            wrong += mismatches(prop, known[name], name)
        elif not name.startswith("__"):
            wrong.append(f"{name} is not in the SDK")
    assert wrong == []


@every_type
def test_every_output_of_the_sdk_is_returned(token: str):
    class_ = sdk_class(token)
    missing = sdk_types.resource_types(class_).keys() - TYPES[token].properties.keys() - {"urn", "id"}
    # an input that a stand-in refuses with an error is never an output of a resource it made
    assert missing <= inputs_of(class_).keys()


@every_type
def test_every_type_names_itself(token: str):
    assert token in (type(TYPES[token]).__doc__ or "")
