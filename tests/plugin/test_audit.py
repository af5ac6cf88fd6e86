"""What the audit trail says, and how little a caller can make it say."""

import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow_platform.server import audit

SCOPE = {"type": "http", "method": "POST", "path": "/x", "query_string": b"code=secret", "client": ("10.0.0.9", 4711)}


def line(caplog: pytest.LogCaptureFixture) -> str:
    return caplog.records[-1].getMessage()


@pytest.fixture(autouse=True)
def captured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mlflow_platform.audit")


def test_an_event_says_who_what_and_from_where(caplog: pytest.LogCaptureFixture) -> None:
    audit.record("login", SCOPE, user="ada", client="mlflow", lasts=28800)
    event = json.loads(line(caplog))
    assert abs((datetime.now(UTC) - datetime.fromisoformat(event.pop("time"))).total_seconds()) < 60
    assert event == {
        "event": "login",
        "user": "ada",
        "client": "mlflow",
        "address": "10.0.0.9",
        "method": "POST",
        "path": "/x",
        "lasts": 28800,
    }


def test_a_request_without_a_known_caller_is_an_event_too(caplog: pytest.LogCaptureFixture) -> None:
    audit.record("refused", {**SCOPE, "client": None})
    event = json.loads(line(caplog))
    assert (event["user"], event["client"], event["address"]) == (None, None, None)


def test_no_text_begins_another_line_and_none_is_long(caplog: pytest.LogCaptureFixture) -> None:
    @given(st.text(), st.text(max_size=1000))
    def any_text(user: str, path: str) -> None:
        audit.record("refused", {**SCOPE, "path": path}, user=user, reason=path * 3)
        assert line(caplog).isascii()
        assert line(caplog).isprintable()
        event = json.loads(line(caplog))
        assert event["user"] == user[: audit.LONGEST]
        assert len(line(caplog)) < 4 * 12 * audit.LONGEST

    any_text()
