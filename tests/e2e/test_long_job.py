"""Work goes on while tokens end and servers restart: a training script's, and that of a page which was left open."""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import Person
from tests.e2e.checkouts import ROOT
from tests.e2e.conftest import Platform, brought_up

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

_TOKEN_SECONDS = 20
_RESTARTS = {"150": "keycloak", "450": "minio-1", "700": "mlflow"}  # at which steps
_STEPS = range(1000)
_CHECKPOINTS = _STEPS[19::20]


@pytest.fixture(scope="module")
def hasty(has_pulumi: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A stack in which nothing that is handed out lasts, and which says all that it does."""
    lifetimes = {"access_token": _TOKEN_SECONDS, "storage_credentials": "token"}
    settings = {"lifetimes": lifetimes, "tracking": {"log_level": "debug"}}
    with brought_up(tmp_path_factory.mktemp("hasty"), settings) as stack:
        yield Platform(stack, stack.outputs())


@pytest.fixture(scope="module")
def left_open(hasty: Platform, browser: Browser) -> Iterator[tuple[Person, float]]:
    """Somebody at MLflow's pages, and when she logged in."""
    person = Person(browser, hasty.outputs["dev_users"], "left open")
    person.open(hasty.url)
    person.log_in("vera")
    expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
    yield person, time.monotonic()
    person.leave()


def train(platform: Platform) -> str:
    """Runs the script to its end, with restarts on its way; the run's id."""
    with (
        ThreadPoolExecutor() as pool,
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests/e2e/long_training.py")],
            env=platform.logged_in("dev"),
            cwd=platform.stack.backend,
            stdout=subprocess.PIPE,
            text=True,
        ) as job,
    ):
        assert job.stdout
        try:
            printed = []
            for line in map(str.strip, job.stdout):
                printed.append(line)
                if service := _RESTARTS.get(line):
                    pool.submit(platform.stack.container(service).restart, timeout=20)
            assert job.wait() == 0
        finally:
            job.kill()
    return printed[0]


def test_a_training_script_loses_nothing(hasty: Platform, left_open: tuple[Person, float]):
    began = time.monotonic()
    run_id = train(hasty)
    assert time.monotonic() - began > 3 * _TOKEN_SECONDS

    token = hasty.token("dev")
    history = {"run_id": run_id, "metric_key": "loss", "max_results": 5000}
    metrics = hasty.ask(token, "GET", "/api/2.0/mlflow/metrics/get-history", params=history).json()["metrics"]
    assert sorted((it["step"], it["value"]) for it in metrics) == [(step, 1 / (1 + step)) for step in _STEPS]

    s3, bucket = hasty.s3(token), hasty.outputs["artifact_bucket"]
    keys = {key for key in hasty.objects(token) if run_id in key}
    assert {key.rpartition("/")[2] for key in keys} == {f"checkpoint-{step}.bin" for step in _CHECKPOINTS}
    for key in keys:
        step = int(key.rpartition("-")[2].removesuffix(".bin"))
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == step.to_bytes(2, "big") * 500_000


def test_spans_of_other_libraries_arrive_past_the_end_of_each_token(hasty: Platform):
    count = 3 * _TOKEN_SECONDS
    chosen = {"OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "mlflow-platform"}
    script = [sys.executable, str(ROOT / "tests/e2e/long_spans.py"), str(count)]
    hasty.run(script, {**hasty.logged_in("dev"), **chosen})

    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    body = {"locations": [where], "max_results": 500}
    found = hasty.ask(hasty.token("dev"), "POST", "/api/3.0/mlflow/traces/search", json=body).json()["traces"]
    assert len(found) == count
    assert {trace["trace_metadata"]["mlflow.user"] for trace in found} == {"dev"}


def test_a_page_that_was_left_open_goes_on_without_a_login(left_open: tuple[Person, float]):
    person, since = left_open
    person.page.wait_for_timeout(max(0.0, since + _TOKEN_SECONDS + 1 - time.monotonic()) * 1000)
    asked = "async () => (await fetch('/ajax-api/2.0/mlflow/experiments/get?experiment_id=0')).status"
    assert person.page.evaluate(asked) == 200
    person.page.reload()
    expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
    person.saw("reloaded")


def test_sessions_that_have_ended_are_removed(hasty: Platform, browser: Browser):
    def records(statement: str) -> str:
        return hasty.stack.run("postgres", ["psql", "-U", "postgres", "-d", "mlflow_auth", "-Atc", statement]).strip()

    columns = "id, login, created_at, used_at, renew_at, expires_at, claimed_until, tokens"
    values = "'ended-' || n, 'ended-' || n, 1, 1, 1, 1, 0, ''"
    records(f"INSERT INTO mlflow_platform_sessions ({columns}) SELECT {values} FROM generate_series(1, 20) n")
    hasty.stack.container("mlflow").restart(timeout=20)  # its workers look at their start, then every ten minutes
    person = Person(browser, hasty.outputs["dev_users"], "after a restart")
    deadline = time.monotonic() + 120
    while "Log in" not in person.page.content() and not person.page.locator("#username").count():
        assert time.monotonic() < deadline
        person.page.wait_for_timeout(500)
        person.open(hasty.url)
    person.log_in("vera")
    expect(person.page.get_by_role("button", name="Log out")).to_be_visible()
    assert records("SELECT count(*) FROM mlflow_platform_sessions WHERE id LIKE 'ended-%'") == "0"
    assert int(records("SELECT count(*) FROM mlflow_platform_sessions")) >= 1
    person.leave()


def test_the_most_talkative_log_says_no_secret(hasty: Platform, left_open: tuple[Person, float]):
    person, _ = left_open
    secrets = [*hasty.handed_out, *hasty.stack.passwords().values(), *person.cookies().values()]
    assert len(secrets) > 10
    parts = {secret.rpartition(".")[2] for secret in secrets}
    for container in hasty.stack.containers():
        log = container.logs().decode(errors="replace")
        assert not [part[:4] for part in parts if part in log], container.name
    assert "DEBUG" in hasty.stack.container("mlflow").logs().decode(errors="replace")
