"""The plugin, which needs no server, and a clock for it."""

import pytest

from offline.providers.tls import PROVIDER

from ..harness import Plugin
from .making import Clock


@pytest.fixture
def plugin() -> Plugin:
    return Plugin(PROVIDER)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("offline.providers.tls.validity.clock", lambda: clock.nanoseconds)
    return clock
