"""What servers say about themselves is checked before anything is sent where they say."""

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow_platform.client import discovery, tokens, web
from mlflow_platform.client.addresses import normalized, server_of
from mlflow_platform.client.discovery import parse_keycloak, parse_platform
from mlflow_platform.client.errors import ClientError, Unavailable

from tests.client.double import Double

SECURE = "https://mlflow.example"
PUBLISHED = {
    "issuer": "https://keycloak.example/realms/mlflow",
    "client_id": "mlflow-client",
    "s3_endpoint": "https://s3.example",
    "s3_region": "us-east-1",
    "bucket": "mlflow",
    "s3_credentials_seconds": 3600,
}
OPENID = {
    "issuer": PUBLISHED["issuer"],
    **{
        f"{name}_endpoint": f"{PUBLISHED['issuer']}/{name}"
        for name in ("authorization", "device_authorization", "token", "revocation")
    },
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_what_a_platform_publishes_is_taken_as_it_is():
    assert parse_platform(SECURE, PUBLISHED).s3_credentials_seconds == 3600
    assert parse_platform(SECURE, {**PUBLISHED, "s3_credentials_seconds": None}).s3_credentials_seconds is None


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "https://user@keycloak.example/realms/mlflow"},
        {"issuer": "https://keycloak.example\\@evil.example/"},
        {"issuer": "ftp://keycloak.example"},
        {"issuer": "https://keycloak.example/?x"},
        {"issuer": None},
        {"client_id": "mlflow client"},
        {"client_id": ""},
        {"s3_endpoint": "https://s3.example\ncredential_process = evil"},
        {"s3_region": "us-east-1\ncredential_process = evil"},
        {"bucket": "../other"},
        {"s3_credentials_seconds": 60},
        {"s3_credentials_seconds": True},
        {"s3_credentials_seconds": "3600"},
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_it(changes: dict[str, Any]):
    with pytest.raises(ClientError, match=f"unusable {next(iter(changes))}"):
        parse_platform(SECURE, {**PUBLISHED, **changes})


@pytest.mark.parametrize(
    ("tracking", "target", "allowed"),
    [
        (SECURE, "https://keycloak.example", True),
        (SECURE, "http://keycloak.example", False),
        (SECURE, "http://127.0.0.1:8080", True),
        (SECURE, "http://localhost:8080", True),
        (SECURE, "http://localhost.evil.example", False),
        (SECURE, "http://127.0.0.1.evil.example", False),
        ("http://mlflow.example", "http://keycloak.example", True),
        ("http://localhost:5000", "http://keycloak.example", False),  # loopback is as safe as it gets
    ],
)
@pytest.mark.parametrize("name", ["issuer", "s3_endpoint"])
def test_nothing_is_sent_less_protected_than_to_the_tracking_server(
    tracking: str, target: str, allowed: bool, name: str
):
    local = {"issuer": "http://localhost:1", "s3_endpoint": "http://localhost:2"}
    document = {**PUBLISHED, **local, name: target}
    if allowed:
        parse_platform(tracking, document)
    else:
        with pytest.raises(ClientError, match="not https"):
            parse_platform(tracking, document)


@pytest.mark.parametrize("issuer", ["https://evil.example/realms/mlflow", f"{PUBLISHED['issuer']}/", None, 1])
def test_another_issuer_than_the_platforms_is_not_trusted(issuer: object):
    with pytest.raises(ClientError, match="another issuer"):
        parse_keycloak(parse_platform(SECURE, PUBLISHED), {**OPENID, "issuer": issuer})


@pytest.mark.parametrize("name", ["authorization", "device_authorization", "token", "revocation"])
@pytest.mark.parametrize(
    "endpoint", ["https://evil.example/token", "https://keycloak.example:8443/token", "http://keycloak.example/token"]
)
def test_an_endpoint_on_another_server_is_not_trusted(name: str, endpoint: str):
    with pytest.raises(ClientError, match="another server|not https"):
        parse_keycloak(parse_platform(SECURE, PUBLISHED), {**OPENID, f"{name}_endpoint": endpoint})


@given(st.dictionaries(st.sampled_from(sorted(PUBLISHED)), ANYTHING))
def test_any_discovery_document_is_used_or_refused(changes: dict[str, Any]):
    try:
        found = parse_platform(SECURE, {**PUBLISHED, **changes})
    except ClientError:
        return
    for text in (found.issuer, found.client_id, found.s3_endpoint, found.s3_region, found.bucket):
        assert text.isprintable()
        assert not set(text) & set("\\ '\"$`;\n")


@given(st.dictionaries(st.sampled_from(["issuer", "token_endpoint"]), ANYTHING | st.just(OPENID["issuer"])))
def test_any_openid_document_is_used_or_refused(changes: dict[str, Any]):
    try:
        found = parse_keycloak(parse_platform(SECURE, PUBLISHED), {**OPENID, **changes})
    except ClientError:
        return
    assert found.token.startswith("https://keycloak.example/")


@given(
    st.dictionaries(
        st.sampled_from(["access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in"]), ANYTHING
    )
)
def test_any_token_answer_is_used_or_refused(changes: dict[str, Any]):
    good = {
        "access_token": "e30.eyJwcmVmZXJyZWRfdXNlcm5hbWUiOiJkZXYiLCJleHAiOjE5MDAwMDAwMDB9.x",
        "token_type": "Bearer",
        "expires_in": 300,
    }
    try:
        found = tokens.parse({**good, **changes})
    except ClientError as error:
        assert good["access_token"] not in str(error)
        return
    assert found.username == "dev"
    assert found.expires_at == 1900000000


@pytest.mark.parametrize("end", ["null", "0", "-1", "true", "NaN", "1e300", '"2030"'])
def test_a_token_without_an_end_is_refused(end: str):
    payload = base64.urlsafe_b64encode(f'{{"preferred_username": "dev", "exp": {end}}}'.encode()).decode()
    with pytest.raises(ClientError, match="no usable exp"):
        tokens.parse({"access_token": f"e30.{payload}.x", "token_type": "Bearer", "expires_in": 300})


@given(st.text() | st.text(alphabet="abc.=_-ey"))
def test_any_token_is_read_or_refused(token: str):
    with contextlib.suppress(ClientError):
        assert isinstance(tokens.claims(token), dict)


@given(st.text())
def test_a_url_is_written_in_one_way_or_refused(url: str):
    try:
        once = normalized(url)
    except ClientError:
        return
    assert normalized(once) == once


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:5000.evil.example/api",
        "http://localhost:50000/api",
        "http://localhost:5000@evil.example/",
        "http://localhost:5000\\@evil.example/",
        "http://evil.example/?http://localhost:5000",
        "https://localhost:5000/api",
        "//localhost:5000/api",
    ],
)
def test_a_url_that_only_looks_like_the_tracking_servers_is_not(monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://LOCALHOST:5000/")
    assert server_of("http://localhost:5000/api/2.0/x?y=1") == "http://localhost:5000"
    assert server_of(url) is None


def test_a_redirect_is_not_followed(platform: Double, other: Double):
    platform.redirect_to = other.url
    with pytest.raises(ClientError, match="redirect"):
        web.post(f"{platform.url}/api/token", {"refresh_token": "secret"}, True)
    assert other.requests == []


def test_no_password_of_netrc_is_sent(platform: Double, monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    discovery.platform(platform.url)
    assert "Authorization" not in platform.requests[0].headers


def test_an_endless_answer_is_cut(platform: Double, monkeypatch: pytest.MonkeyPatch):
    platform.platform_changes = {"bucket": "x" * 2_000_000}
    with pytest.raises(ClientError, match="more than"):
        discovery.platform(platform.url)


def test_a_server_that_is_no_platform_is_a_clear_error(platform: Double):
    with pytest.raises(ClientError, match=r"answers 4\d\d; is http://127.* the platform"):
        discovery.platform(f"{platform.url}/elsewhere")
    platform.stop()
    with pytest.raises(Unavailable, match="does not answer"):
        discovery.platform(platform.url)
    platform.start()
