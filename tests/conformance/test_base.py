"""What the base gives every resource type, on one made for these tests."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from offline.providers import engine
from offline.providers.base import CheckError, InitFailed, Prop, ProviderError, ResourceType, StandIn, log, pause
from offline.providers.values import UNKNOWN

from .harness import Plugin, Refused, Resource

THING = "test:index/thing:Thing"
OLD = 7
NESTED = {"key": Prop(str, required=True), "weight": Prop(int, default=5), "note": Prop(str)}


class Thing(ResourceType):
    """test:index/thing:Thing, kept in a dict."""

    token = THING
    properties = {
        "name": Prop(str, auto_name=True, replaces=True),
        "size": Prop(int),
        "mode": Prop(str, default="rw"),
        "kind": Prop(str, implied="plain"),
        "region": Prop(str, computed=True, replaces=True),
        "policy": Prop(str, same=lambda old, new: old.replace(" ", "") == new.replace(" ", "")),
        "tags": Prop(list, of=str, unordered=True),
        "parts": Prop(list, of=NESTED),
        "token": Prop(str, output=True, secret=True),
        "version": Prop(int, output=True, volatile=True),
        "mount": Prop(str, output=True, volatile="mode"),
        "password": Prop(str, write_only=True),
    }
    delete_before_replace = True

    def outdated(self, state: dict[str, Any], inputs: dict[str, Any]) -> list[str]:
        return ["version"] if state.get("version") == OLD else []

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs.get("size") == 13:
            raise CheckError("size", "13 is no size")
        return inputs

    def create(self, client: Any, inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if inputs.get("kind") == "broken":
            raise InitFailed("id-1", {**inputs, "region": "here"}, ["it is broken"])
        if inputs.get("kind") == "bug":
            raise ZeroDivisionError("oh")
        if inputs.get("kind") == "slow":
            pause(60)
        if inputs.get("kind") == "talkative":
            for message in ("step 1", "step 1", "step 2"):
                log(message)
                log(f"a detail of {message}", detail=True)
        client[inputs["name"]] = inputs
        return "id-1", {"kind": "plain", **inputs, "region": "here", "token": "t", "version": 1, "mount": "m"}

    def read(self, client: Any, id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        return client.get("answer", state)


def connect(config: dict[str, Any]) -> dict[str, Any]:
    if config.get("port") == 0:
        raise ProviderError("the server does not answer; start it")
    return {"config": config}


def plugin_with(**config: Any) -> Plugin:
    return Plugin(StandIn("test", "1.0.0", [Thing()], connect, {"port": Prop(int)}), config)


@pytest.fixture
def plugin() -> Plugin:
    return plugin_with(port="1")


def thing(plugin: Plugin, **inputs: Any) -> Resource:
    return plugin.create(THING, {"name": "x", **inputs})


def test_defaults_are_put_in_at_every_depth(plugin: Plugin):
    checked = plugin.check(THING, {"name": "x", "parts": [{"key": "k"}, {"key": "l", "weight": 1}]})
    expected = {"name": "x", "mode": "rw", "parts": [{"key": "k", "weight": 5}, {"key": "l", "weight": 1}]}
    assert checked == expected


def test_a_name_left_out_is_generated_once(plugin: Plugin):
    first = plugin.check(THING, {})
    assert first["name"].startswith("res-") and len(first["name"]) == len("res-") + 7
    assert plugin.check(THING, {}, first)["name"] == first["name"]


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"siez": 1}, "there is no input 'siez' here; did you mean 'size'?"),
        ({"token": "t"}, "there is no input 'token' here"),
        ({"size": "big"}, "'size' must be a whole number, not a string"),
        ({"size": 1.5}, "'size' must be a whole number, not a number"),
        ({"size": True}, "'size' must be a whole number, not true or false"),
        ({"tags": ["a", 1]}, "'tags[1]' must be a string, not a whole number"),
        ({"parts": [{"weight": 1}]}, "'key' is required"),
        ({"size": 13}, "13 is no size"),
    ],
)
def test_wrong_inputs_are_refused_by_name(plugin: Plugin, inputs: dict[str, Any], reason: str):
    with pytest.raises(Refused) as refused:
        plugin.check(THING, inputs)
    assert reason in str(refused.value)


def test_what_is_not_known_yet_passes_the_check(plugin: Plugin):
    assert plugin.check(THING, {"name": "x", "size": UNKNOWN, "tags": [UNKNOWN]})["size"] == UNKNOWN


def test_a_preview_contacts_nothing_and_shows_what_is_not_known():
    outputs = plugin_with(port="0").preview(THING, {"name": "x", "size": 3})
    assert (outputs["size"], outputs["kind"]) == (3, "plain")
    assert outputs["region"] == outputs["token"] == outputs["version"] == UNKNOWN


def test_the_preview_of_an_update_shows_as_unknown_what_the_update_may_change(plugin: Plugin):
    made = thing(plugin)
    named = {"name": made.inputs["name"]}
    shown = plugin.preview(THING, {**named, "size": 4}, made)
    assert (shown["region"], shown["version"], shown["mount"]) == ("here", UNKNOWN, "m")
    assert plugin.preview(THING, {**named, "mode": "ro"}, made)["mount"] == UNKNOWN


def test_a_server_that_does_not_answer_is_named():
    with pytest.raises(Refused, match="^the server does not answer; start it$"):
        thing(plugin_with(port="0"))


def test_configuration_comes_typed(plugin: Plugin):
    assert plugin.client["config"] == {"port": 1}


@pytest.mark.parametrize(
    ("inputs", "kind", "paths"),
    [
        ({}, "none", set()),
        ({"tags": ["b", "a"]}, "none", set()),
        ({"policy": "a  b"}, "none", set()),
        ({"password": "other"}, "none", set()),
        ({"kind": "plain"}, "none", set()),
        ({"tags": ["a", "c"]}, "update", {"tags[1]"}),
        ({"kind": "special"}, "update", {"kind"}),
        ({"parts": [{"key": "k", "weight": 6}]}, "update", {"parts[0].weight"}),
        ({"parts": []}, "update", {"parts[0]"}),
        ({"size": UNKNOWN}, "update", {"size"}),
        ({"region": "there"}, "replace (delete first)", {"region"}),
        ({"name": "y"}, "replace (delete first)", {"name"}),
    ],
)
def test_differences(plugin: Plugin, inputs: dict[str, Any], kind: str, paths: set[str]):
    program = {"name": "x", "size": 1, "tags": ["a", "b"], "policy": "a b", "parts": [{"key": "k"}], "password": "p"}
    made = plugin.create(THING, program)
    found = plugin.diff(made, {**program, **inputs})
    assert (found.kind, set(found.paths)) == (kind, paths)


def test_an_input_that_is_taken_away_differs_unless_the_server_chose_it(plugin: Plugin):
    made = thing(plugin, size=1, region="here")
    assert plugin.diff(made, {"name": "x"}).paths == {"size": "DELETE"}


def test_an_output_that_time_has_changed_differs_though_no_input_does(plugin: Plugin):
    made = thing(plugin)
    assert plugin.diff(made, {"name": "x"}).kind == "none"
    old = replace(made, outputs={**made.outputs, "version": OLD})
    found = plugin.diff(old, {"name": "x"})
    assert (found.kind, found.paths) == ("update", {"version": "UPDATE"})


def test_a_refresh_shows_drift_in_inputs_and_only_there(plugin: Plugin):
    made = thing(plugin, size=1)
    plugin.client["answer"] = {**made.outputs, "size": 2, "version": 9}
    found = plugin.refresh(made)
    assert found is not None
    assert (found.inputs, found.outputs["version"]) == ({**made.inputs, "size": 2}, 9)
    assert plugin.diff(found, {"name": "x", "size": 1}).roots == {"size"}


def test_an_import_takes_what_a_program_would_say(plugin: Plugin):
    plugin.client["answer"] = {
        "id": "id-9",
        "name": "x",
        "size": 4,
        "mode": "rw",
        "kind": "plain",
        "region": "here",
        "tags": [],
    }
    found = plugin.imported(THING, "anything")
    assert found is not None
    assert (found.id, found.inputs) == ("id-9", {"name": "x", "size": 4, "mode": "rw"})


def test_what_is_always_secret_is_marked(plugin: Plugin):
    assert thing(plugin).secrets == {"token"}


def test_what_was_made_but_did_not_come_up_stays_in_the_state(plugin: Plugin):
    with pytest.raises(Refused, match="^it is broken$") as failed:
        thing(plugin, kind="broken")
    assert failed.value.partial is not None
    assert (failed.value.partial.id, failed.value.partial.outputs["region"]) == ("id-1", "here")


def test_a_fault_of_the_stand_in_says_where(plugin: Plugin):
    with pytest.raises(Refused, match=r"^ZeroDivisionError in test_base\.py:\d+: oh$"):
        thing(plugin, kind="bug")


def test_what_is_waited_for_ends_when_the_engine_is_told_to_stop(plugin: Plugin):
    threading.Timer(0.2, plugin.cancel).start()
    begun = time.monotonic()
    with pytest.raises(Refused, match="^interrupted before it was done; run the same command again to go on$"):
        thing(plugin, kind="slow")
    assert time.monotonic() - begun < 2


def test_the_status_line_says_each_step_once(plugin: Plugin, monkeypatch: pytest.MonkeyPatch):
    sent = []
    monkeypatch.setattr(engine, "_engine", SimpleNamespace(Log=sent.append))
    thing(plugin, kind="talkative")
    assert [(request.message, request.ephemeral) for request in sent] == [("step 1", True), ("step 2", True)]


def test_a_detail_is_told_after_a_silence(plugin: Plugin, monkeypatch: pytest.MonkeyPatch):
    sent = []
    monkeypatch.setattr(engine, "_engine", SimpleNamespace(Log=sent.append))
    monkeypatch.setattr(engine, "_DETAILS", 0)
    thing(plugin, kind="talkative")
    assert "a detail of step 2" in [request.message for request in sent]


def test_a_type_that_there_is_no_stand_in_for_is_named(plugin: Plugin):
    with pytest.raises(Refused, match="the offline test provider has no type test:index/other:Other"):
        plugin.check("test:index/other:Other", {})
