"""Whatever a caller sends: who is a job, and what MLflow sees of it."""

import base64
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.within.jobs import Jobs, within

often = settings(max_examples=200, deadline=None)

TOKEN = "4f0c" * 16
MODEL = "/gateway/mlflow/v1/chat/completions"
HOST = (b"host", b"127.0.0.1:5000")
HEADER_NAMES = st.sampled_from([b"host", b"authorization", b"cookie", b"x-forwarded-for", b"forwarded", b"accept"])
HEADER = st.tuples(HEADER_NAMES, st.binary(max_size=20))
HEADERS = st.lists(HEADER, max_size=6)


def nobody(user: str) -> Identity:
    raise AssertionError("nobody asks")


JOBS = Jobs(TOKEN, "http://127.0.0.1:5000", nobody)


def basic(credentials: bytes) -> tuple[bytes, bytes]:
    return b"authorization", b"Basic " + base64.b64encode(credentials)


def call(*headers: tuple[bytes, bytes], **changes: Any) -> dict[str, Any]:
    request = {"type": "http", "method": "POST", "path": MODEL, "client": ("127.0.0.1", 1), "headers": [*headers]}
    return {**request, **changes}


@often
@given(st.text())
def test_a_job_is_its_users_whatever_her_name(name: str) -> None:
    assert JOBS.user(call(HOST, basic(f"{name}:{TOKEN}".encode()))) == name


@often
@given(st.binary(max_size=60) | st.text(max_size=9).map(lambda text: f"ada:{TOKEN[:-1]}{text}".encode()), st.booleans())
def test_without_the_token_nobody_is_a_job(credentials: bytes, encoded: bool) -> None:
    assume(not credentials.endswith(f":{TOKEN}".encode()))
    header = basic(credentials) if encoded else (b"authorization", credentials)
    assert JOBS.user(call(HOST, header)) is None


@often
@given(
    st.lists(HEADER, max_size=1) | HEADERS,
    st.just("") | st.text(max_size=9),
    st.just(("127.0.0.1", 1)) | st.sampled_from([None, ("10.0.0.1", 1), ("::1", 1), ("127.0.0.1.example", 1)]),
)
def test_the_jobs_token_is_worth_nothing_with_anything_between(
    more: list[tuple[bytes, bytes]], suffix: str, client: tuple[str, int] | None
) -> None:
    request = call(HOST, basic(f"ada:{TOKEN}".encode()), *more, path=MODEL + suffix, client=client)
    between = {name for name, _ in more} - {b"accept", b"cookie"}
    direct = not between and not suffix and client == ("127.0.0.1", 1)
    assert JOBS.user(request) == ("ada" if direct else None)


@often
@given(HEADERS)
def test_mlflow_sees_no_credential_of_a_job_and_one_host(headers: list[tuple[bytes, bytes]]) -> None:
    inner = within(call(*headers), b"mlflow.example")["headers"]
    assert inner[0] == (b"host", b"mlflow.example")
    assert inner[1:] == [header for header in headers if header[0] not in (b"host", b"authorization", b"cookie")]
