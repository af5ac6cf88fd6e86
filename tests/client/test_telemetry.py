"""OpenTelemetry's own exporter sends spans as who is logged in, for longer than any token lasts."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow_platform.client import certificates
from mlflow_platform.client.store import LoginFile
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.client.conftest import age
from tests.client.double import Double

GROUP = "opentelemetry_otlp_credential_provider"
Export = Callable[[], SpanExportResult]


def exporting(url: str, **options: str) -> Export:
    """Sends a span, always by the same exporter."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    provider.get_tracer("test").start_span("answer").end()
    headers = {"x-mlflow-experiment-id": "0", **options}
    exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", headers=headers, timeout=5)
    return lambda: exporter.export(made.get_finished_spans())


@pytest.fixture(autouse=True)
def chosen(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is installed, as far as entry points are looked for, and chosen."""
    installed = home / "site" / "mlflow_platform-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mlflow-platform\nVersion: 0.1.0\n")
    points = tomllib.loads(Path("plugin/pyproject.toml").read_text())["project"]["entry-points"][GROUP]
    lines = "".join(f"{name} = {place}\n" for name, place in points.items())
    (installed / "entry_points.txt").write_text(f"[{GROUP}]\n{lines}")
    monkeypatch.syspath_prepend(str(installed.parent))
    monkeypatch.setenv("OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER", "mlflow-platform")


def authorization(server: Double) -> list[str | None]:
    sent = [{name.lower(): value for name, value in it.headers.items()} for it in server.to("/v1/traces")]
    return [headers.get("authorization") for headers in sent]


def token_in(file: LoginFile) -> str:
    login = file.load()
    assert login
    return f"Bearer {login.tokens.access_token}"


def test_spans_go_on_past_the_end_of_each_token(platform: Double, logged_in: LoginFile):
    export, sent = exporting(platform.url), []
    for _ in range(3):
        assert export() is SpanExportResult.SUCCESS
        sent.append(token_in(logged_in))
        age(logged_in, 300)
    assert authorization(platform) == sent
    assert len(set(sent)) == 3


def test_a_service_needs_no_login(platform: Double, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_ID", "ci")
    monkeypatch.setenv("MLFLOW_PLATFORM_CLIENT_SECRET", platform.client_secret)
    assert exporting(platform.url)() is SpanExportResult.SUCCESS


def test_spans_for_another_server_carry_no_token(platform: Double, logged_in: LoginFile, other: Double):
    exporting(other.url)()
    exporting(f"{other.url}/{platform.url}")()
    assert other.to("/") and not platform.requests
    assert {name.lower() for request in other.requests for name in request.headers} & {
        "authorization",
        "cookie",
    } == set()


def test_without_a_login_nothing_is_added_and_the_program_goes_on(platform: Double):
    platform.accepts = lambda authorization: authorization.startswith("Bearer ")
    assert exporting(platform.url)() is SpanExportResult.FAILURE
    assert authorization(platform) == [None]


def test_a_login_that_has_ended_ends_no_program(
    platform: Double, logged_in: LoginFile, caplog: pytest.LogCaptureFixture
):
    age(logged_in, 300)
    platform.refuses = "invalid_grant"
    assert exporting(platform.url)() is SpanExportResult.FAILURE
    assert "has ended; run `mlflow-platform login`" in caplog.text


def test_ones_own_header_wins(platform: Double, logged_in: LoginFile):
    exporting(platform.url, Authorization="Bearer own")()
    assert authorization(platform) == ["Bearer own"]


def test_the_platforms_own_authority_is_trusted(secure: Double, securely: LoginFile):
    assert exporting(secure.url)() is SpanExportResult.SUCCESS
    Path(certificates.kept(secure.url) or "").unlink()
    assert exporting(secure.url)() is SpanExportResult.FAILURE


def test_a_program_of_others_imports_nothing_of_the_platform(platform: Double, logged_in: LoginFile):
    program = (
        "import sys\n"
        "from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter\n"
        "OTLPSpanExporter()\n"
        "print('mlflow' in sys.modules, 'mlflow_platform.client.telemetry' in sys.modules)\n"
    )
    path = os.pathsep.join([str(Path("plugin").absolute()), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout == "False True\n", done.stderr
