"""How the properties of a resource lie in the representations of Keycloak's admin API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from offline.providers.base import Prop
from offline.providers.keycloak import durations

SEPARATOR = "##"  # between the values of one attribute, in the program as in a client's `attributes`


class Kind(NamedTuple):
    """A sort of value: to JSON, back from JSON, and what stands for nothing."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    empty: Any


def _as_is(value: Any) -> Any:
    return value


TEXT = Kind(_as_is, _as_is, "")
FLAG = Kind(_as_is, _as_is, False)
NUMBER = Kind(_as_is, _as_is, 0)
STRINGS = Kind(_as_is, _as_is, [])
DURATION = Kind(durations.to_seconds, durations.from_seconds, "0s")
QUOTED_FLAG = Kind(lambda value: "true" if value else "false", lambda text: text == "true", False)
QUOTED_NUMBER = Kind(str, int, 0)
JOINED_STRINGS = Kind(SEPARATOR.join, lambda text: [part for part in text.split(SEPARATOR) if part], [])
MULTIMAP = Kind(
    lambda values: {key: value.split(SEPARATOR) for key, value in values.items()},
    lambda lists: {key: SEPARATOR.join(values) for key, values in lists.items()},
    {},
)


@dataclass(frozen=True)
class Field:
    """A property and its place.

    absent  what the outputs say when the server says nothing
    quiet   left out of a creation where the program leaves it out; the server's own default then holds. Others are sent
            as nothing ("", false), as the official plugin does, and so do not get the server's default.
    """

    prop: Prop
    kind: Kind
    path: tuple[str, ...]
    absent: Any
    quiet: bool


def _field(type: type, kind: Kind, path: tuple[str, ...], options: dict[str, Any], **fixed: Any) -> Field:
    options = fixed | options
    quiet, absent = options.pop("quiet", False), options.pop("absent", kind.empty)
    return Field(Prop(type, **options), kind, path, absent, quiet)


def text(*path: str, **options: Any) -> Field:
    return _field(str, TEXT, path, options)


def flag(*path: str, **options: Any) -> Field:
    """True or false; below `attributes` and `config` everything is text."""
    return _field(bool, QUOTED_FLAG if len(path) > 1 else FLAG, path, options)


def number(*path: str, **options: Any) -> Field:
    return _field(int, QUOTED_NUMBER if len(path) > 1 else NUMBER, path, options)


def duration(*path: str, **options: Any) -> Field:
    """Chosen by the server when left out, and compared by length of time."""
    return _field(str, DURATION, path, options, computed=True, quiet=True, same=durations.same)


def strings(*path: str, **options: Any) -> Field:
    """A list whose order means nothing."""
    return _field(list, JOINED_STRINGS if len(path) > 1 else STRINGS, path, options, of=str, unordered=True)


def multimap(*path: str, **options: Any) -> Field:
    """Attributes with one or more values each, joined by `##`."""
    return _field(dict, MULTIMAP, path, options, of=str)


def encode(fields: Mapping[str, Field], inputs: Mapping[str, Any], state: Mapping[str, Any] | None) -> dict[str, Any]:
    """The representation to send: of a new object without a state, else only what the program decides.

    What the program no longer mentions is emptied, except where the server is free to choose.
    """
    representation: dict[str, Any] = {}
    for name, field in fields.items():
        value = inputs.get(name)
        if value is None:
            keep = field.quiet if state is None else field.prop.computed or state.get(name) in (None, field.kind.empty)
            if keep:
                continue
            value = field.kind.empty
        _put(representation, field.path or (name,), field.kind.encode(value))
    return representation


def decode(fields: Mapping[str, Field], representation: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs that a representation means; values whose order means nothing keep the order they were given in."""
    outputs = {}
    for name, field in fields.items():
        value: Any = representation
        for key in field.path or (name,):
            value = (value or {}).get(key)
        decoded = field.absent if value is None or value == "" else field.kind.decode(value)
        outputs[name] = _in_order_of(given.get(name), decoded, field.prop)
    return outputs


def _put(representation: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        representation = representation.setdefault(key, {})
    representation[path[-1]] = value


def _in_order_of(given: Any, value: Any, prop: Prop) -> Any:
    if prop.unordered and isinstance(given, list) and sorted(given) == sorted(value):
        return given
    if prop.type is dict and isinstance(given, Mapping):
        return {key: _same_values(given.get(key), joined) for key, joined in value.items()}
    return value


def _same_values(given: Any, joined: str) -> str:
    same = isinstance(given, str) and sorted(given.split(SEPARATOR)) == sorted(joined.split(SEPARATOR))
    return given if same else joined
