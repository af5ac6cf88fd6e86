"""What differs between a resource's state and new inputs, the way the Terraform bridge sees it.

A property the program sets differs when it is not what the state says (so drift that a refresh found shows). One the
program leaves out differs only when the state holds a value that the server did not choose by itself. Zero values equal
absence throughout, as in Terraform's SDK.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pulumi.provider.experimental.provider import PropertyDiff, PropertyDiffKind

from .schema import MISSING, Prop
from .values import UNKNOWN, canonical, is_zero

_KINDS = {
    "add": (PropertyDiffKind.ADD, PropertyDiffKind.ADD_REPLACE),
    "delete": (PropertyDiffKind.DELETE, PropertyDiffKind.DELETE_REPLACE),
    "update": (PropertyDiffKind.UPDATE, PropertyDiffKind.UPDATE_REPLACE),
}


def detailed(
    state: Mapping[str, Any], inputs: Mapping[str, Any], properties: Mapping[str, Prop], ignored: list[str]
) -> dict[str, PropertyDiff]:
    """Each differing path with its kind."""
    result = {}
    for name, prop in properties.items():
        if prop.output or prop.write_only:
            continue
        for path, kind in _changes(name, state.get(name), inputs.get(name), prop):
            if not any(path == other or path.startswith((f"{other}.", f"{other}[")) for other in ignored):
                result[path] = PropertyDiff(_KINDS[kind][prop.replaces], input_diff=False)
    return result


def of_outputs(names: Iterable[str], properties: Mapping[str, Prop]) -> dict[str, PropertyDiff]:
    """The given outputs, as differing."""
    return {name: PropertyDiff(_KINDS["update"][properties[name].replaces], input_diff=False) for name in names}


def root(path: str) -> str:
    """The name of the property that a path starts with."""
    return path.split(".", 1)[0].split("[", 1)[0]


def _changes(path: str, old: Any, new: Any, prop: Prop) -> Iterator[tuple[str, str]]:
    if prop.computed and is_zero(new) and not isinstance(new, (bool, int)):  # an explicit false or 0 is a choice
        return
    if new is None and prop.implied is not MISSING:
        new = prop.implied
    if prop.same and isinstance(old, str) and isinstance(new, str) and new != UNKNOWN and prop.same(old, new):
        return
    yield from _differences(path, canonical(old), canonical(new), prop.unordered)


def _differences(path: str, old: Any, new: Any, unordered: bool) -> Iterator[tuple[str, str]]:
    if old == new or (is_zero(old) and is_zero(new)):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{path}.{key}", old.get(key), new.get(key), unordered)
    elif isinstance(old, list) and isinstance(new, list):
        pairs = _unmatched(old, new) if unordered else _aligned(old, new)
        for index, before, after in pairs:
            yield from _differences(f"{path}[{index}]", before, after, unordered)
    else:
        yield path, "add" if is_zero(old) else "delete" if is_zero(new) else "update"


def _aligned(old: list[Any], new: list[Any]) -> Iterator[tuple[int, Any, Any]]:
    for index in range(max(len(old), len(new))):
        before = old[index] if index < len(old) else None
        after = new[index] if index < len(new) else None
        yield index, before, after


def _unmatched(old: list[Any], new: list[Any]) -> Iterator[tuple[int, Any, Any]]:
    """Items of either list that the other lacks, paired up so that a changed item reads as one change."""
    left = list(enumerate(old))
    right = []
    for index, item in enumerate(new):
        match = next((entry for entry in left if entry[1] == item), None)
        if match:
            left.remove(match)
        else:
            right.append((index, item))
    for position in range(max(len(left), len(right))):
        before = left[position] if position < len(left) else None
        after = right[position] if position < len(right) else None
        index = after[0] if after else before[0] if before else 0
        yield index, before and before[1], after and after[1]
