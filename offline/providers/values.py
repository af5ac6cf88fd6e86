"""Between the engine's property maps and plain Python values.

The stand-ins tell the engine that they take no secrets: it then hands in plain values, and marks whatever was secret in
the inputs as secret in checked inputs and outputs of the same name (sdk/go/common/resource/plugin, annotateSecrets).
Only outputs that are always secret are marked here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from .schema import MISSING, Prop

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that is not known yet (pulumi.runtime.rpc.UNKNOWN)."""


def plain(properties: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """Plain values of a property map; an integral number is an int."""
    return {key: _plain(value) for key, value in properties.items()}


def _plain(property_value: PropertyValue) -> Any:
    value = property_value.value
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def wrap(values: Mapping[str, Any], properties: Mapping[str, Prop]) -> dict[str, PropertyValue]:
    """A property map of plain values, with what is always secret marked as such."""
    return {
        key: _wrap(value).with_secret(key in properties and properties[key].secret and value is not None)
        for key, value in values.items()
    }


def _wrap(value: Any) -> PropertyValue:
    if isinstance(value, Mapping):
        return PropertyValue({key: _wrap(item) for key, item in value.items()})
    if isinstance(value, (list, tuple, set, frozenset)):
        return PropertyValue([_wrap(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value == UNKNOWN


def is_zero(value: Any) -> bool:
    """Whether the value says no more than its absence does (None, "", 0, False, empty)."""
    return value is MISSING or value is None or value in ("", 0, False) or value == [] or value == {}


def canonical(value: Any) -> Any:
    """The value without what says nothing: zero fields of objects and the bridge's own `__` keys."""
    if isinstance(value, Mapping):
        fields = {key: canonical(item) for key, item in value.items() if not key.startswith("__")}
        return {key: item for key, item in fields.items() if not is_zero(item)}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    return value


def without_internals(value: Any) -> Any:
    """The value without keys that start with `__` (`__defaults` of a stack made by an official plugin)."""
    if isinstance(value, Mapping):
        return {key: without_internals(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [without_internals(item) for item in value]
    return value
