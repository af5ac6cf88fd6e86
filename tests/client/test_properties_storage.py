"""What MinIO's STS answers is used or refused, and what stands in AWS's config file stays there."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

import pytest
from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from mlflow_platform.client import aws_profile, sessions, storage
from mlflow_platform.client.discovery import Platform
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.sessions import ServiceSession
from mlflow_platform.client.store import LoginFile

from tests.anything import any_server
from tests.client.double import Double

SERVER = "https://mlflow.example"
PLATFORM = Platform(
    SERVER, "https://keycloak.example", "mlflow-client", "https://s3.example", "us-east-1", "mlflow", None
)

# What MinIO's STS answers.


class Bearer(ServiceSession):
    """Somebody who has a token."""

    def access_token(self, *, fresh: bool = False, over: str | None = None) -> str:
        return "an-access-token"


def element(name: str, *inner: str) -> str:
    return f"<{name}>{''.join(inner)}</{name}>"


XML_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20)


def test_credentials_are_those_that_were_given_and_a_refusal_repeats_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(storage, "_client", cache(storage._client))  # boto3 takes its time for each
    with any_server() as server:
        bearer = Bearer(server.url, "ci", "a-secret")
        platform = replace(PLATFORM, s3_endpoint=server.url)

        @settings(max_examples=50, deadline=None)
        @given(
            st.lists(XML_TEXT.filter(len), min_size=3, max_size=3),
            st.datetimes(datetime(2000, 1, 1), datetime(2999, 1, 1)),
        )
        def any_credentials(values: list[str], until: datetime) -> None:
            texts = [*map(escape, values), f"{until.isoformat()}Z"]
            names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
            given = element("Credentials", *map(element, names, texts))
            result = element("AssumeRoleWithWebIdentityResult", given)
            server.will_answer(200, element("AssumeRoleWithWebIdentityResponse", result).encode())
            got = storage.credentials(bearer, platform, attempts=1)
            assert [got["access_key"], got["secret_key"], got["token"]] == values
            assert datetime.fromisoformat(got["expiry_time"]) == until.replace(tzinfo=UTC)

        @settings(max_examples=50, deadline=None)
        @given(st.sampled_from([400, 401, 403, 404, 500, 503]), XML_TEXT | st.just("AccessDenied"), XML_TEXT)
        def any_refusal(status: int, code: str, message: str) -> None:
            told = element("Code", escape(code)) + element("Message", escape(f"{message} an-access-token"))
            server.will_answer(status, element("ErrorResponse", element("Error", told)).encode())
            with pytest.raises(ClientError) as refused:
                storage.credentials(bearer, platform, attempts=1)
            assert len(str(refused.value)) < 250
            assert str(refused.value).isascii()
            assert "an-access-token" not in str(refused.value)

        any_credentials()
        any_refusal()


# Keys.

SEGMENTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    [".", "..", "", "%2e%2e", "a b", "~", "%"]
)


def test_a_file_of_any_name_is_where_boto3_keeps_it(platform: Double, logged_in: LoginFile, home: Path):
    session = sessions.find(platform.url)
    assert session
    client = storage.client(session, "mlflow")
    by_boto3 = type(client).upload_file
    (file := home / "file").write_bytes(b"content")

    @settings(max_examples=150, deadline=None)
    @given(st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join).filter(len))
    @example("/a")
    @example("a/")
    @example("a//b")
    @example("./a/../b")
    @example("a\tb\n")
    def any_key(key: str) -> None:
        kept = []
        for upload in (client.upload_file, partial(by_boto3, client)):
            platform.store.objects.clear()
            upload(str(file), "mlflow", key)
            kept.append({unquote(path): content for path, content in platform.store.objects.items()})
        assert kept[0] == kept[1]
        client.download_file("mlflow", key, str(home / "back"))
        assert (home / "back").read_bytes() == b"content"

    any_key()
    agents = {request.headers["User-Agent"].partition("/")[0] for request in platform.to("/mlflow/")}
    assert agents == {"object_store", "Boto3"}


# AWS's config file.

OURS = "credential_process = /bin/mlflow-platform credentials --tracking-uri"
PROFILE = {
    "credential_process": f"/bin/mlflow-platform credentials --tracking-uri {SERVER}",
    "endpoint_url": PLATFORM.s3_endpoint,
    "region": PLATFORM.s3_region,
    "s3": {"signature_version": "s3v4"},
}
SECTIONS = [
    "[default]",
    "[profile mlflow]",
    "[profile mlflow2]",
    "[profile work]",
    "[services x]",
    "[sso-session mlflow]",
]
ODD_SECTIONS = ["[profile mlflow] # mine", "[profile 'a b']", "[mlflow]", "[profile mlflow", "[]", "# [profile mlflow]"]
OPTIONS = [
    f"{OURS} https://old.example",
    "credential_process = 'somebody elses",
    "region = eu-west-1",
    "region: us",
    "=",
]
INNER = ["s3 =", "  addressing_style = path", "\tmax_queue_size = 9", "ü = 'ä'", "; note", "", "  "]
LINES = st.sampled_from([*SECTIONS, *ODD_SECTIONS, *OPTIONS, *INNER])
CONTENTS = st.tuples(st.lists(LINES, max_size=8), st.sampled_from(["\n", "\n", "\r\n"]), st.booleans()).map(
    lambda parts: (parts[1].join(parts[0]) + parts[1] * parts[2]).encode()
)


def as_botocore_reads(path: Path) -> tuple[dict[str, Any], dict[str, Any] | None] | None:
    """Everything in the file but the profile, and the profile; None where botocore reads nothing."""
    try:
        found = load_config(str(path))
    except ConfigParseError:
        return None
    profile = found["profiles"].pop("mlflow", None)
    return found, profile


def test_writing_a_profile_changes_no_other_and_ends_in_a_file_that_aws_tools_read(home: Path):
    (home / ".aws").mkdir()
    config = home / ".aws" / "config"

    @settings(max_examples=200, deadline=None)
    @given(CONTENTS)
    @example(b"")
    @example(b"[profile mlflow]\ncredential_process = 'somebody elses\n")
    @example(f"[profile mlflow]\n{OURS} https://old.example --and more\n".encode())
    @example(
        f"[profile mlflow]\n{OURS} https://old.example\ns3 =\n  a = b\n# next\n[profile work]\nregion = x\n".encode()
    )
    def any_config(content: bytes) -> None:
        config.write_bytes(content)
        before = as_botocore_reads(config)
        try:
            aws_profile.write("mlflow", PLATFORM, "/bin/mlflow-platform")
        except ClientError:
            assert content
            assert config.read_bytes() == content
            return
        assume(before)  # a file that AWS's tools did not read is nobody's loss
        assert before
        others, replaced = before
        assert as_botocore_reads(config) == (others, PROFILE)
        assert not replaced or f"credential_process = {replaced['credential_process']}".rpartition(" ")[0] == OURS
        written = config.read_bytes()
        assert replaced is not None or written.startswith(content)
        assert aws_profile.find(SERVER) == "mlflow"
        aws_profile.write("mlflow", PLATFORM, "/bin/mlflow-platform")
        assert config.read_bytes() == written

    any_config()
