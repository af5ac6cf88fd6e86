"""What is refused, and how; a server that is not there."""

import copy
from typing import Any

import pytest

from offline.providers.postgresql import PROVIDER

from ..harness import Plugin, Refused
from .server import DATABASE, GRANT, ROLE

FUNCTION = {"database": "d", "role": "r", "objectType": "function", "schema": "s", "objects": ["f"]}


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (ROLE, {"passwordWo": "x"}, "no input 'passwordWo'"),
        (ROLE, {"encryptedPassword": False}, "no unencrypted passwords"),
        (DATABASE, {"alterObjectOwnership": True}, "leaves objects to their owner"),
        (GRANT, {"database": "d", "role": "r", "objectType": "schema", "privileges": []}, "not on a 'schema'"),
        (GRANT, {**FUNCTION, "objectType": "table", "objects": [], "privileges": []}, "on tables by their names"),
        (GRANT, {**FUNCTION, "privileges": ["CONNECT"]}, "a function has no privilege CONNECT; it has ALL, EXECUTE"),
        (GRANT, {**FUNCTION, "objects": ["f", "g"], "privileges": []}, "on one function at a time, with its schema"),
        (GRANT, {**FUNCTION, "schema": "", "privileges": []}, "on one function at a time, with its schema"),
        (GRANT, {"database": "d", "role": "r", "objectType": "database", "privileges": ["SELECT"]}, "no privilege"),
    ],
)
def test_what_the_offline_provider_cannot_do_is_refused(plugin: Plugin, token: str, inputs: Any, reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(token, inputs)


def test_no_error_tells_a_password(plugin: Plugin):
    inputs = {"name": "twice", "password": "hush-hush"}
    plugin.create(ROLE, inputs)
    for wrong in (inputs, {"name": "late", "password": "hush-hush", "validUntil": "never-never"}):
        with pytest.raises(Refused) as refused:
            plugin.create(ROLE, wrong)
        assert "hush-hush" not in str(refused.value)


def test_a_server_that_is_not_there_is_named(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("offline.providers.postgresql.server.ABSENT", 0.0)
    absent = Plugin(copy.copy(PROVIDER), {**config, "port": 1})
    with pytest.raises(Refused, match="PostgreSQL at 127.0.0.1:1"):
        absent.create(ROLE, {"name": "nowhere"})


def test_a_wrong_password_is_no_reason_to_wait(config: dict[str, Any], plugin: Plugin):
    with plugin.client.reading():
        pass
    stranger = Plugin(copy.copy(PROVIDER), {**config, "password": "wrong"})
    with pytest.raises(Refused, match="password authentication failed"):
        stranger.create(ROLE, {"name": "nowhere"})
