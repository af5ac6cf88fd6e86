"""What is wrong with a resource's inputs, and what they are once defaults and generated names are filled in."""

import difflib
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from .schema import MISSING, Prop
from .values import UNKNOWN

_TYPE_NAMES: dict[Any, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


def failures(inputs: Mapping[str, Any], properties: Mapping[str, Prop], at: str = "") -> Iterator[tuple[str, str]]:
    """(path, reason) for every unknown, mistyped or missing input. Never shows a value: it may be a secret."""
    accepted = {name: prop for name, prop in properties.items() if not prop.output}
    for name, value in inputs.items():
        path = f"{at}{name}"
        if name in accepted:
            yield from _mismatch(path, value, accepted[name])
        else:
            close = difflib.get_close_matches(name, accepted, n=1)
            meant = f"did you mean '{close[0]}'?" if close else f"it takes {', '.join(sorted(accepted))}"
            yield path, f"there is no input '{name}' here; {meant}"
    for name, prop in accepted.items():
        if prop.required and inputs.get(name) is None:
            yield f"{at}{name}", f"'{name}' is required"


def _mismatch(path: str, value: Any, prop: Prop) -> Iterator[tuple[str, str]]:
    if value == UNKNOWN or value is None:
        return
    if not _is(value, prop.type):
        yield path, f"'{path}' must be {_TYPE_NAMES[prop.type]}, not {_TYPE_NAMES.get(type(value), 'something else')}"
    elif prop.type is dict and isinstance(prop.of, Mapping):
        yield from failures(value, prop.of, f"{path}.")
    elif prop.of is not None:
        items = value.items() if prop.type is dict else enumerate(value)
        for key, item in items:
            item_path = f"{path}.{key}" if prop.type is dict else f"{path}[{key}]"
            item_prop = Prop(dict, of=prop.of) if isinstance(prop.of, Mapping) else Prop(prop.of)
            yield from _mismatch(item_path, item, item_prop)


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def completed(
    inputs: Mapping[str, Any], properties: Mapping[str, Prop], old_inputs: Mapping[str, Any], name: str, seed: bytes
) -> dict[str, Any]:
    """The inputs with defaults and a generated name; a name generated before is kept."""
    result = with_defaults(inputs, properties)
    for key, prop in properties.items():
        if prop.auto_name and key not in result:
            digits = hashlib.sha256(seed).hexdigest()[:7] if seed else secrets.token_hex(4)[:7]
            result[key] = old_inputs.get(key) or f"{name}-{digits}"
    return result


def with_defaults(value: Mapping[str, Any], properties: Mapping[str, Prop]) -> dict[str, Any]:
    """The object with the defaults of its properties, at every depth."""
    result = {key: _nested_defaults(item, properties.get(key)) for key, item in value.items() if item is not None}
    for key, prop in properties.items():
        if prop.default is not MISSING and key not in result:
            result[key] = prop.default
    return result


def _nested_defaults(value: Any, prop: Prop | None) -> Any:
    if prop is None or not isinstance(prop.of, Mapping):
        return value
    if isinstance(value, Mapping):
        return with_defaults(value, prop.of)
    if isinstance(value, list):
        return [with_defaults(item, prop.of) if isinstance(item, Mapping) else item for item in value]
    return value
