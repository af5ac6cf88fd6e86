"""The stand-ins against recordings of the official plugins at work on real servers.

The recordings lie beside the checkout (../shared/plugin-recordings), where they are kept at all.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from offline.providers.schema import Prop
from offline.providers.values import canonical, without_internals

from .harness import Plugin, Resource
from .stacks import providers

RECORDINGS = Path(__file__).parents[3] / "shared" / "plugin-recordings"
TYPES = {token: (stand_in, type_) for stand_in in providers().values() for token, type_ in stand_in.types.items()}
RECORDED: dict[str, Any] = {}
for file in sorted(RECORDINGS.rglob("*.json")):
    for token, recorded in json.loads(file.read_text()).items():
        if token in TYPES:
            earlier = RECORDED.get(token, {"examples": [], "on_change": {}})
            RECORDED[token] = {
                "examples": [*earlier["examples"], *recorded["examples"]],
                "on_change": {**recorded["on_change"], **earlier["on_change"]},
            }
TRAPS = {("postgresql:index/role:Role", "rec_b")}  # they differ for ever with the official plugin, too
EXAMPLES = [
    pytest.param(token, example, id=f"{token}-{example['id'][:20]}")
    for token, recorded in RECORDED.items()
    for example in recorded["examples"]
    if not example["inputs"].keys() & getattr(TYPES[token][1], "unsupported", set())  # refused with a sentence
    if (token, example["id"]) not in TRAPS
]
CHANGES = [
    pytest.param(token, path, effect, id=f"{token}-{path}")
    for token, recorded in RECORDED.items()
    for path, effect in recorded["on_change"].items()
    if (prop := TYPES[token][1].properties.get(re.split(r"[.\[ ]", path)[0])) is not None
    if not prop.output  # refused as an input
    if effect != "none" or " " in path or prop.write_only  # else it was no change that was recorded
]
# Made from files that were on the recording machine: docker/test_images.py builds it from its own.
UNCHECKED = {"docker:index/image:Image"}

pytestmark = pytest.mark.skipif(not RECORDED, reason=f"there are no recordings of the official plugins at {RECORDINGS}")


@pytest.fixture(autouse=True)
def at_the_time_of_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the recorded certificates would be due for renewal one day."""
    monkeypatch.setattr("offline.providers.tls.validity.clock", lambda: 0)


@pytest.mark.parametrize(("token", "example"), EXAMPLES)
def test_checked_inputs_are_as_recorded(token: str, example: dict[str, Any]):
    if token in UNCHECKED:
        pytest.skip("its files are not here")
    stand_in, type_ = TYPES[token]
    recorded = without_internals(example["inputs"])
    empty = {name: [] for name, prop in type_.properties.items() if prop.required and prop.type is list}
    checked = Plugin(stand_in).check(token, {**empty, **_as_given(example["inputs"])}, recorded)
    assert canonical(checked) == canonical(recorded)


@pytest.mark.parametrize(("token", "example"), EXAMPLES)
def test_the_official_plugins_state_is_understood_and_unchanged(token: str, example: dict[str, Any]):
    stand_in, type_ = TYPES[token]
    recorded = without_internals(example["inputs"])
    outputs = example["outputs"]
    assert without_internals(outputs).keys() <= type_.properties.keys() | {"id"}, "every recorded output is known"
    assert Plugin(stand_in).diff(Resource(token, example["id"], recorded, outputs), recorded, checked=True).paths == {}


@pytest.mark.parametrize(("token", "path", "effect"), CHANGES)
def test_a_change_has_the_recorded_effect(token: str, path: str, effect: str):
    stand_in, type_ = TYPES[token]
    example = RECORDED[token]["examples"][0]
    inputs, outputs = without_internals(example["inputs"]), example["outputs"]
    made = Resource(token, example["id"], inputs, outputs)
    name = re.split(r"[.\[ ]", path)[0]
    current = inputs.get(name, outputs.get(name))
    changed = {**inputs, name: _changed(current, path[len(name) :], type_.properties[name])}
    kind = Plugin(stand_in).diff(made, changed, checked=True).kind
    # a plain "replace" was recorded where the path says nothing of the order: inside lists and objects
    assert kind == effect or (effect == "replace" and kind == "replace (delete first)")


def _as_given(value: Any) -> Any:
    """Recorded inputs as the program gave them: without the defaults that the check put in."""
    if isinstance(value, dict):
        added = {*value.get("__defaults", ()), "__defaults"}
        return {key: _as_given(item) for key, item in value.items() if key not in added and item is not None}
    return [_as_given(item) for item in value] if isinstance(value, list) else value


def _changed(value: Any, rest: str, prop: Prop) -> Any:
    """The value, with what the rest of the path names (an index, a key, an order) made another."""
    if rest == " reordered":
        return value[::-1]
    index = re.match(r"\[(\d+)\]", rest)
    if index:
        at = int(index[1])
        return [*value[:at], _changed(value[at], rest[index.end() :], prop), *value[at + 1 :]]
    if rest:
        nested = value or {}
        key = next((known for known in sorted(nested, key=len, reverse=True) if rest[1:].startswith(known)), None)
        key = key or re.split(r"[.\[]", rest[1:])[0]
        inner = prop.of[key] if isinstance(prop.of, dict) else Prop(prop.of or str)  # pyright: ignore[reportArgumentType]
        return {**nested, key: _changed(nested.get(key), rest[1 + len(key) :], inner)}
    return _other(value, prop)


def _other(value: Any, prop: Prop) -> Any:
    if prop.type is bool:
        return not value
    if prop.type in (int, float):
        return (value or 0) + 7
    if prop.type is list:
        items = value or []
        return items[1:] if items and isinstance(items[0], dict) else [*items, "another"]
    if prop.type is dict:
        return {**(value or {}), "another": "1"}
    if value and value.startswith("{"):
        return json.dumps({"another": 1})
    return "7m7s" if value and re.fullmatch(r"(\d+[hms])+", value) else f"{value or ''}another"
