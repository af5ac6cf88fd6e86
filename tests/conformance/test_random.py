"""The random stand-in: it needs no server, so its life is checked by hand."""

import re

import pytest

from offline.providers.random import PROVIDER

from .harness import Plugin, Refused

PASSWORD = "random:index/randomPassword:RandomPassword"
STRING = "random:index/randomString:RandomString"


@pytest.fixture
def plugin() -> Plugin:
    return Plugin(PROVIDER)


def test_a_password_has_its_length_and_characters_and_is_secret(plugin: Plugin):
    made = plugin.create(PASSWORD, {"length": 40, "special": False, "minUpper": 30})
    assert made.id == "none"
    assert len(made.outputs["result"]) == 40
    assert made.outputs["result"].isalnum()
    assert sum(character.isupper() for character in made.outputs["result"]) >= 30
    assert made.secrets == {"result", "bcryptHash"}


def test_a_string_is_its_own_id_and_no_secret(plugin: Plugin):
    made = plugin.create(STRING, {"length": 20, "lower": False, "special": False})
    assert made.id == made.outputs["result"]
    assert re.fullmatch(r"[A-Z0-9]{20}", made.id)
    assert made.secrets == set()
    assert "bcryptHash" not in made.outputs
    assert plugin.diff(made, {"length": 20, "lower": False, "special": False}).kind == "none"
    assert plugin.diff(made, {"length": 20, "special": False}).kind == "replace"
    assert plugin.refresh(made) == made
    found = plugin.imported(STRING, "known")
    assert found is not None
    assert (found.id, found.outputs["result"], found.inputs) == ("known", "known", {"length": 5})


def test_special_characters_can_be_chosen(plugin: Plugin):
    made = plugin.create(
        PASSWORD,
        {"length": 9, "lower": False, "upper": False, "numeric": False, "minSpecial": 3, "overrideSpecial": "!"},
    )
    assert made.outputs["result"] == "!" * 9
    assert made.outputs["number"] is False


def test_the_same_program_keeps_the_password_and_any_change_replaces_it(plugin: Plugin):
    made = plugin.create(PASSWORD, {"length": 20, "special": False})
    assert plugin.diff(made, {"length": 20, "special": False}).kind == "none"
    for changed in ({"length": 21, "special": False}, {"length": 20}, {"length": 20, "special": False, "minLower": 1}):
        assert plugin.diff(made, changed).kind == "replace"
    assert plugin.diff(made, {"length": 20, "special": False, "keepers": {"a": "b"}}).kind == "replace"
    assert plugin.refresh(made) == made


def test_an_import_takes_the_password_itself(plugin: Plugin):
    found = plugin.imported(PASSWORD, "Secret0!")
    assert found is not None
    assert (found.id, found.outputs["result"], found.inputs) == ("none", "Secret0!", {"length": 8})
    assert plugin.diff(found, {"length": 8}).kind == "none"


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({}, "'length' is required"),
        ({"length": "8"}, "'length' must be a whole number, not a string"),
        ({"length": 8, "lenght": 9}, "did you mean 'length'?"),
        ({"length": 2, "minLower": 3}, "at least 3"),
    ],
)
def test_wrong_inputs_are_named(plugin: Plugin, inputs: dict[str, object], reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(PASSWORD, inputs)
