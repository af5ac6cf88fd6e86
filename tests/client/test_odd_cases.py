"""Answers and files that are nearly right, or as wrong as can be: used, left alone, or refused in one sentence."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow_platform.client import aws_profile, device, discovery, storage, web
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.store import LoginFile

from tests.anything import JSON, STATUS, any_server
from tests.client.double import Double
from tests.client.test_properties import LOGIN, SERVER, damaged
from tests.client.test_properties_storage import PLATFORM, PROFILE, Bearer, as_botocore_reads, element

NAMES = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"]


def sts(*texts: str) -> bytes:
    given = element("Credentials", *map(element, NAMES, texts))
    result = element("AssumeRoleWithWebIdentityResult", given)
    return element("AssumeRoleWithWebIdentityResponse", result).encode()


def test_any_answer_of_sts_is_credentials_or_a_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(storage, "_client", cache(storage._client))
    with any_server() as server:

        @settings(max_examples=50, deadline=None)
        @given(STATUS, st.binary(max_size=30) | st.text(max_size=9).map(str.encode))
        @example(502, b"<html>Bad Gateway")  # ResponseParserError, which is no BotoCoreError
        @example(200, sts("AK", "s", "t", "soon"))  # ValueError
        @example(200, sts("AK", "s", "t", "9999-12-31T23:59:59-23:00"))  # OverflowError
        @example(200, sts("AK", "s", "t", "9" * 20))  # RuntimeError
        @example(200, sts("", "s", "t", "2030-01-01T00:00:00Z"))  # an empty key is handed on
        @example(200, sts("AK</AccessKeyId><AccessKeyId>B", "s", "t", "2030-01-01T00:00:00Z"))  # a list is
        @example(400, b"<ErrorResponse><Error><Code><a/></Code></Error></ErrorResponse>")  # TypeError
        def any_answer(status: int, body: bytes) -> None:
            server.will_answer(status, body)
            try:
                got = storage.credentials(Bearer(SERVER, "ci", "x"), replace(PLATFORM, s3_endpoint=server.url), 1)
            except ClientError as error:
                assert "an-access-token" not in str(error)
            else:
                assert all(isinstance(value, str) and value for value in got.values())

        any_answer()


@pytest.mark.parametrize(
    "content",
    [
        "# \x0c[profile evil]\n",  # the comment becomes a section: str.splitlines knows more ends than configparser
        "[default]\nx = a\u2028 b\n",
        '[profile "mlflow"]\nregion = theirs\n',  # botocore reads both as one: theirs is lost
        "[profile  mlflow]\nregion = theirs\n",
        "[ profile mlflow ]\nregion = theirs\n",  # another section for botocore, overwritten
        "[ profile mlflow ]\n[profile mlflow]\n",  # afterwards no AWS tool reads the file
        "[profile work]\nregion = eu\n  [profile mlflow]\nx = 1\n",  # part of a value, overwritten
        "[profile mlflow]\n [profile work]\n",  # swallowed into our region
        "[DEFAULT]\ncredential_process = /x credentials --tracking-uri y\n[profile mlflow]\nregion = theirs\n",
    ],
)
def test_a_profile_leaves_every_kind_of_file_as_it_is(home: Path, content: str):
    (home / ".aws").mkdir()
    config = home / ".aws" / "config"
    config.write_text(content)
    before = as_botocore_reads(config)
    try:
        aws_profile.write("mlflow", PLATFORM, "/bin/mlflow-platform")
    except ClientError:
        assert config.read_text() == content
    else:
        assert before
        assert before[1] is None or not before[1]
        assert as_botocore_reads(config) == (before[0], PROFILE)
        assert config.read_text().startswith(content)


def test_a_redirect_to_no_address_is_a_clear_error(home: Path):
    with any_server() as server:
        server.will_answer(302, b"", {"Location": "http://[::1"})
        with pytest.raises(ClientError):
            web.get(server.url, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": "\ud800"},  # UnicodeEncodeError
        {"verification_uri_complete": "/x?" + "y" * 4000},  # DataOverflowError of segno
        {"verification_uri_complete": "/x?y , or better https://evil.example"},  # is shown
    ],
)
def test_a_code_that_cannot_be_used_is_a_clear_error(
    platform: Double, pauses: list[float], monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    keycloak = discovery.keycloak(discovery.platform(platform.url))
    platform.device_changes = {
        name: platform.issuer + value if value.startswith("/") else value for name, value in changes.items()
    }
    said: list[str] = []
    with pytest.raises(ClientError):
        device.log_in(keycloak, "mlflow-client", "openid", said.append)
    assert said == []


@pytest.mark.parametrize("name", ["refresh_token", "session_ends_at", "expires_at", "lifetime", "access_token"])
def test_every_field_of_a_login_is_of_its_kind(home: Path, name: str):
    file = LoginFile(SERVER)
    file.save(LOGIN)

    @settings(max_examples=100, deadline=None)
    @given(JSON)
    @example(float("nan"))
    @example(10**400)
    @example("\ud800")
    @example("x")
    def any_value(value: object) -> None:
        file.path.write_bytes(damaged(f"tokens.{name}", value))
        try:
            login = file.load()
        except ClientError:
            return
        assert login
        got = login.tokens
        assert got.refresh_token is None or (isinstance(got.refresh_token, str) and got.refresh_token.isascii())
        assert got.access_token.isascii() and got.access_token.isprintable()
        for number in (got.lifetime, got.expires_at, got.session_ends_at or 0):
            assert type(number) in (int, float) and 0 <= number < 2**40

    any_value()
