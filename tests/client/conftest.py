"""A platform double, and a user whose home is empty."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from hypothesis import settings
from mlflow_platform.client import clock, discovery, sessions, storage
from mlflow_platform.client.login import log_in
from mlflow_platform.client.store import LoginFile

from tests.authority import Pair, authority
from tests.client import tls
from tests.client.double import Double
from tests.client.ranks import hold_up_together

settings.register_profile("client", deadline=None)  # other tests may be busy on the same machine
settings.load_profile("client")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of whoever runs the tests is seen or touched."""
    for name in list(os.environ):
        certificates = name.startswith("SSL_CERT_") or name.endswith("_CA_BUNDLE")
        if certificates or name.startswith(("AWS_", "MLFLOW_")) or name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path


@pytest.fixture
def platform(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """The double that MLFLOW_TRACKING_URI names."""
    double = Double()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", double.url)
    yield double
    double.stop()


@pytest.fixture
def other(home: Path) -> Iterator[Double]:
    """Another server: somebody else's."""
    double = Double()
    yield double
    double.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits: what the client would have slept is written down, and time goes on by it."""
    slept: list[float] = []
    from time import monotonic

    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.monotonic", lambda: monotonic() + sum(slept))
    return slept


@pytest.fixture
def logged_in(platform: Double, monkeypatch: pytest.MonkeyPatch) -> LoginFile:
    """A login by code on the platform; its file."""
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)
        log_in(platform.url, "device", offline=False)
    platform.requests.clear()
    return LoginFile(platform.url)


def age(file: LoginFile, seconds: float) -> None:
    """Makes the login's tokens this much older."""
    login = file.load()
    assert login
    file.save(replace(login, tokens=replace(login.tokens, expires_at=login.tokens.expires_at - seconds)))


@pytest.fixture(autouse=True)
def _nobody_remembers() -> Iterator[None]:
    """What this process keeps by address: the next test's double may get the port of this one's."""
    yield
    for kept in (
        sessions._login_session,
        sessions._service_session,
        storage._platform,
        storage._s3,
        discovery.check_server,
    ):
        kept.cache_clear()
    clock._ahead = 0.0


@pytest.fixture(scope="session")
def own_authority() -> Pair:
    """A platform's own, which no machine trusts by itself."""
    return authority()


@pytest.fixture
def ca_file(home: Path, own_authority: Pair) -> str:
    (home / "ca.pem").write_text(own_authority.pem)
    return str(home / "ca.pem")


@pytest.fixture
def secure(home: Path, own_authority: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Double]:
    """The double at https, with a certificate of its own authority."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    double = Double(tls=tls.certificate(own_authority).context())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", double.url)
    yield double
    with suppress(OSError):  # a test may have stopped it
        double.stop()


@pytest.fixture
def securely(secure: Double, ca_file: str, monkeypatch: pytest.MonkeyPatch) -> LoginFile:
    """A login there, whose --ca-file is gone since."""
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)
        log_in(secure.url, "device", offline=False, ca_file=ca_file)
    Path(ca_file).unlink()
    secure.requests.clear()
    return LoginFile(secure.url)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What MLflow does with the entry points of what is installed."""
    import mlflow
    from mlflow.tracking.context import registry as contexts
    from mlflow.tracking.default_experiment import registry as experiments
    from mlflow.tracking.request_auth import registry as auths
    from mlflow.tracking.request_header import registry as headers
    from mlflow_platform.client import tracking

    for registry, own in (
        (headers._request_header_provider_registry, tracking.PlatformHeaders),
        (auths._request_auth_provider_registry, tracking.PlatformAuth),
        (contexts._run_context_provider_registry, tracking.PlatformUser),
        (experiments._default_experiment_provider_registry, tracking.PlatformExperiment),
    ):
        others = [it for it in registry._registry if type(it).__name__ != own.__name__]
        monkeypatch.setattr(registry, "_registry", [*others, own()])
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield
    mlflow.set_tracking_uri("")


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow as the platform has it, without the plugin; its address."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", "sqlite:///mlflow.db", "--default-artifact-root", "s3://mlflow"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, *stores, "--no-serve-artifacts"], cwd=folder, env=environment, stdout=log, stderr=log
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(f"{url}/health", server, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(60)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    give_up = time.monotonic() + 180
    while server.poll() is None and time.monotonic() < give_up:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.5)
    pytest.fail(f"MLflow's server does not answer: {log.read_text()[-2000:]}")


@pytest.fixture
def tracking(platform: Double, mlflow_server: str, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch) -> Double:
    """MLflow, where ranks that make an experiment do it at once."""
    platform.mlflow = mlflow_server
    hold_up_together(monkeypatch)
    return platform
