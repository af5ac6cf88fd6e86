"""A server that does not prove who it is gets nothing: no token, no question, and its user one sentence."""

import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from mlflow_platform.client import cli, discovery, errors, sessions, storage, web
from mlflow_platform.client.errors import ClientError, NotLoggedIn, Unavailable, Untrusted
from mlflow_platform.client.login import log_in, log_out
from mlflow_platform.client.store import LoginFile

from tests.authority import Pair, authority
from tests.client import tls
from tests.client.conftest import age
from tests.client.double import Double
from tests.client.test_tracking import authorization

pytestmark = pytest.mark.usefixtures("registered")

HTTP_ANSWER = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Fault:
    """What a server shows instead of a good certificate, and what its user is told."""

    context: Callable[[Pair], ssl.SSLContext | None]
    told: str
    answer: bytes = b""
    error: type[ClientError] = Untrusted

    def at(self, port: int, issuer: Pair) -> AbstractContextManager[bytearray]:
        return tls.listening(port, self.context(issuer), self.answer)


def refusing(issuer: Pair) -> ssl.SSLContext:
    """As a gateway does that does not serve the name."""
    context = tls.certificate(issuer).context()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    return context


FAULTS = {
    "another authority": Fault(lambda _: tls.certificate(authority()).context(), "login --ca-file ca.pem"),
    "self-signed": Fault(lambda _: tls.certificate(None).context(), "login --ca-file ca.pem"),
    "another name": Fault(lambda ca: tls.certificate(ca, ("another.example",)).context(), "is for another name"),
    "expired": Fault(lambda ca: tls.certificate(ca, start=-3, end=-1).context(), "has expired"),
    "not yet valid": Fault(lambda ca: tls.certificate(ca, start=1, end=3).context(), "is not valid yet"),
    "no TLS": Fault(lambda _: None, "does not speak https", HTTP_ANSWER),
    "handshake refused": Fault(refusing, "refuses the TLS handshake", error=Unavailable),
    "closed": Fault(lambda _: None, "closes the connection", error=Unavailable),
}


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


@pytest.fixture
def spoilt(secure: Double, fault: Fault, own_authority: Pair) -> Iterator[Callable[[], bytearray]]:
    """Puts another server in the platform's place; what that is sent."""
    running: list[AbstractContextManager[bytearray]] = []

    def spoil() -> bytearray:
        secure.stop()
        running.append(fault.at(secure.port, own_authority))
        return running[0].__enter__()

    yield spoil
    for each in running:
        each.__exit__(None, None, None)


def test_a_login_is_one_sentence_and_nothing_is_sent(
    secure: Double,
    ca_file: str,
    fault: Fault,
    spoilt: Callable[[], bytearray],
    capsys: pytest.CaptureFixture[str],
):
    received = spoilt()
    assert cli.main(["login", "--device", "--ca-file", ca_file]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mlflow-platform: {secure.url} ")
    assert fault.told in line
    assert received == b""


def test_a_refresh_is_one_sentence_and_the_refresh_token_stays_here(
    secure: Double, securely: LoginFile, fault: Fault, spoilt: Callable[[], bytearray], pauses: list[float]
):
    age(securely, 300)
    session = sessions.find(secure.url)
    assert session
    received = spoilt()
    with pytest.raises(fault.error, match=fault.told) as told:
        session.access_token()
    assert str(told.value).startswith(secure.url)
    assert received == b""
    assert bool(pauses) == (fault.error is Unavailable)  # there is no use in waiting for a certificate


def test_a_training_is_one_sentence_and_the_token_stays_here(
    secure: Double,
    securely: LoginFile,
    fault: Fault,
    spoilt: Callable[[], bytearray],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "7" if fault.error is Untrusted else "0")
    received = spoilt()
    started = time.monotonic()
    with pytest.raises(MlflowException) as told:
        http_request(get_default_host_creds(secure.url), "/api/2.0/mlflow/runs/get", "GET")
    if fault.error is Untrusted:
        assert f"exception {secure.url} " in str(told.value)
        assert fault.told in str(told.value)
        assert time.monotonic() - started < 5  # and not after all of MLflow's attempts
    assert received == b""


def test_a_good_certificate_is_sent_what_the_others_are_not(
    secure: Double, securely: LoginFile, own_authority: Pair, pauses: list[float]
):
    login = securely.load()
    assert login and login.tokens.refresh_token
    age(securely, 300)
    session = sessions.find(secure.url)
    assert session
    secure.stop()
    good = tls.certificate(own_authority).context()
    with tls.listening(secure.port, good, HTTP_ANSWER) as received, pytest.raises(ClientError):
        session.access_token()
    assert login.tokens.refresh_token.encode() in received


def test_a_logout_is_one_sentence_and_the_refresh_token_stays_here(
    secure: Double, securely: LoginFile, fault: Fault, spoilt: Callable[[], bytearray]
):
    received = spoilt()
    with pytest.raises(ClientError, match=fault.told):
        log_out(secure.url)
    assert received == b""


def test_an_upload_is_one_sentence_and_no_credentials_are_asked_for(
    secure: Double, securely: LoginFile, own_authority: Pair, tmp_path: Path
):
    repository = get_artifact_repository("s3://mlflow/1/artifacts", tracking_uri=secure.url)
    session = sessions.find(secure.url)
    assert session
    platform = discovery.platform(secure.url)
    (tmp_path / "model").write_text("a model")
    repository.log_artifact(str(tmp_path / "model"))
    secure.stop()
    told = "its certificate is signed by no authority"
    with tls.listening(secure.port, tls.certificate(authority()).context()) as received:
        started = time.monotonic()
        with pytest.raises(Untrusted, match=told):
            storage.credentials(session, platform)
        with pytest.raises(Untrusted, match=told):
            repository.log_artifact(str(tmp_path / "model"))
        assert time.monotonic() - started < 5
    assert received == b""


def test_an_authority_of_before_does_not_help_another_server(
    secure: Double, securely: LoginFile, own_authority: Pair, monkeypatch: pytest.MonkeyPatch
):
    other = Double(tls=tls.certificate(own_authority).context())
    with pytest.raises(Untrusted, match="--ca-file"):
        discovery.platform(other.url)
    other.stop()
    assert other.requests == []


def test_what_mlflow_was_told_about_tls_stays(
    secure: Double, securely: LoginFile, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
):
    """Without verification MLflow sends its own requests; the client itself verifies all the same."""
    secure.tls = tls.certificate(None).context()
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    with pytest.warns(match="Unverified HTTPS request"):
        http_request(get_default_host_creds(secure.url), "/api/2.0/mlflow/runs/get", "GET")
    assert len(authorization(secure)) == 1
    with pytest.raises(Untrusted):
        log_in(secure.url, "device", offline=False)


def test_a_file_that_is_gone_is_named(secure: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/gone.pem")
    with pytest.raises(ClientError, match="There is no /gone.pem to trust https://localhost"):
        discovery.platform(secure.url)


def test_http_at_a_port_of_https_says_so(secure: Double, capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", secure.url.replace("https:", "http:"))
    assert cli.main(["login", "--device"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "if the platform has https by now, set MLFLOW_TRACKING_URI to that address" in line


def test_http_that_a_port_of_https_answers_says_so(secure: Double):
    secure.stop()
    told = f"answers 400; is http://localhost:{secure.port} the platform in http, and not https?"
    with tls.listening(secure.port, None, HTTP_ANSWER), pytest.raises(ClientError, match=re.escape(told)):
        web.get(secure.url.replace("https:", "http:"), True)


@pytest.fixture
def moved(platform: Double, secure: Double, monkeypatch: pytest.MonkeyPatch) -> Double:
    """The platform of http, whose address sends everybody to the one of https."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", platform.url)
    platform.moved_to = secure.url
    return platform


def test_a_login_at_http_is_told_the_address_of_https(
    moved: Double, secure: Double, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["login", "--device"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mlflow-platform: This platform is at {secure.url}, and not at {moved.url}:")
    assert f"set MLFLOW_TRACKING_URI={secure.url} and run `mlflow-platform login`" in line
    assert [request.path for request in moved.requests] == ["/.well-known/mlflow-platform"]
    assert secure.requests == []


def test_an_old_login_at_http_is_told_so_by_a_training(
    platform: Double, logged_in: LoginFile, secure: Double, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", platform.url)
    platform.moved_to = secure.url
    for _ in range(2):
        with pytest.raises(MlflowException, match=f"This platform is at {secure.url}"):
            http_request(get_default_host_creds(platform.url), "/api/2.0/mlflow/runs/create", "POST", json={})
    assert {request.path for request in platform.requests} == {"/.well-known/mlflow-platform"}
    assert secure.requests == []


def test_a_platform_that_moves_during_a_training_is_not_followed(
    platform: Double, logged_in: LoginFile, secure: Double, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", platform.url)
    http_request(get_default_host_creds(platform.url), "/api/2.0/mlflow/runs/get", "GET")
    platform.moved_to = secure.url
    with pytest.raises(MlflowException, match=f"This platform is at {secure.url}"):
        http_request(get_default_host_creds(platform.url), "/api/2.0/mlflow/runs/create", "POST", json={})
    assert secure.requests == []


def test_an_old_login_at_http_is_told_so_by_a_refresh(
    platform: Double, logged_in: LoginFile, secure: Double, monkeypatch: pytest.MonkeyPatch
):
    age(logged_in, 300)
    platform.moved_to = secure.url
    session = sessions.find(platform.url)
    assert session
    with pytest.raises(NotLoggedIn, match=f"a redirect to {secure.url}, .*Set MLFLOW_TRACKING_URI"):
        session.access_token()
    assert secure.requests == []


def test_a_redirect_from_https_to_http_is_not_followed(secure: Double, securely: LoginFile, other: Double):
    secure.redirect_to = other.url
    with pytest.raises(MlflowException, match=f"a redirect to {other.url}, which is not followed"):
        http_request(get_default_host_creds(secure.url), "/api/2.0/mlflow/runs/get", "GET")
    assert other.requests == []


def test_http_is_refused_where_the_login_would_be_https(secure: Double, ca_file: str, pauses: list[float]):
    secure.platform_changes = {"issuer": "http://keycloak.example/realms/test"}
    with pytest.raises(errors.ClientError, match="which is not https: no token is sent there"):
        log_in(secure.url, "device", offline=False, ca_file=ca_file)
