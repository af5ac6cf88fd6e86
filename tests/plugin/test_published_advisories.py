"""What was published against MLflow, tried on the version that is shipped, by those who are nearest to being let in."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import Scorer
from mlflow.webhooks.ssrf import SSRFProtectedHTTPAdapter, SSRFProtectionError

from tests.plugin.conftest import ROOT, TEAMS, Server

WEBHOOKS = "/api/2.0/mlflow/webhooks"
# Ways in which a scorer, which is JSON, could be code or choose whom the server asks.
SCORERS = {
    "CVE-2026-116692, a module beside an allowed one": {
        "third_party_scorer_data": {"module": "mlflow.genai.scorers.ragas.planted", "class": "X", "metric_name": "x"}
    },
    "CVE-2026-116692, a metric that is a module": {
        "third_party_scorer_data": {
            "module": "mlflow.genai.scorers.ragas",
            "class": "RagasScorer",
            "metric_name": "planted.module",
        }
    },
    "CVE-2026-115886, an address to send to": {
        "third_party_scorer_data": {
            "module": "mlflow.genai.scorers.trulens",
            "class": "TruLensScorer",
            "metric_name": "Groundedness",
            "model": "other:/x",
            "kwargs": {"api_base": "http://127.0.0.1:9", "api_key": "x"},
        }
    },
    "code itself": {
        "call_source": "open('planted', 'w')",
        "call_signature": "(outputs)",
        "original_func_name": "planted",
    },
}


@pytest.mark.parametrize("team", ["admins", "editors"])
@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_a_scorer_runs_no_code_and_asks_nobody(
    server: Server, environment: dict[str, str], scorer: dict[str, Any], team: str
) -> None:
    serialized = json.dumps({"name": "planted", "mlflow_version": "3.17.2", "serialization_version": 1, **scorer})
    invoked = {"experiment_id": "0", "serialized_scorer": serialized, "trace_ids": ["tr-1"]}
    answer = server.as_member(team, "POST", "/ajax-api/3.0/mlflow/scorer/invoke", json=invoked)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE"), answer.text
    with pytest.raises(MlflowException):  # as an evaluation's job reads it
        Scorer.model_validate_json(serialized)
    assert not list(Path(environment["TEST_HOME"]).rglob("planted*"))


def test_only_administrators_have_the_server_call_addresses(server: Server) -> None:
    """CVE-2026-2393: anybody could; and not even they reach what stands beside the server."""
    hook = {"name": "h", "events": [{"entity": "REGISTERED_MODEL", "action": "CREATED"}]}
    for team in TEAMS.keys() - {"admins"}:
        made = server.as_member(team, "POST", WEBHOOKS, json={**hook, "url": "https://example.com/"})
        assert made.status_code == 403, team
    for beside in (
        "https://127.0.0.1/",
        "https://169.254.169.254/",
        "https://[::1]/",
        "http://example.com/",
        "file:///",
    ):
        assert server.as_member("admins", "POST", WEBHOOKS, json={**hook, "url": beside}).status_code == 400, beside


def test_a_webhook_is_not_led_to_what_stands_beside_the_server(server: Server) -> None:
    """CVE-2026-64849: by a redirect, or a name that changes its address. What decides is whom the socket reached."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", SSRFProtectedHTTPAdapter())
        with pytest.raises(SSRFProtectionError, match="not a public IP address"):
            session.get(f"{server.http.base_url}/health", timeout=5)


def test_a_trace_is_written_nowhere_but_in_the_database(server: Server, environment: dict[str, str]) -> None:
    """CVE-2026-53995: the file store made paths of trace ids."""
    info = {
        "trace_id": "../../planted",
        "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}},
        "request_time": "2026-01-01T00:00:00Z",
        "state": "OK",
    }
    answer = server.as_member("editors", "POST", "/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})
    assert answer.status_code in (200, 400), answer.text
    home = Path(environment["TEST_HOME"])
    assert not [*home.parent.rglob("trace_info.yaml"), *home.parent.glob("planted*")]


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/jobs/search",  # CVE-2026-0545, CVE-2026-2652: anybody started and read jobs
        "/v1/traces",  # CVE-2026-2652
        "/api/3.0/mlflow/issues/search",  # CVE-2026-118626
    ],
)
def test_nobody_is_served_without_a_team(server: Server, path: str) -> None:
    assert server.ask(None, "POST", path, json={}).status_code == 401
    assert server.ask(server.realm.token("of-no-team", ()), "POST", path, json={}).status_code == 403


@pytest.mark.parametrize("listed", ["secrets", "endpoints", "model-definitions"])
def test_what_the_gateway_has_is_listed_to_nobody_without_a_team(server: Server, listed: str) -> None:
    """CVE-2026-3198, CVE-2026-118625: whoever could log in saw all of it."""
    path = f"/api/3.0/mlflow/gateway/{listed}/list"
    assert server.as_member("viewers", "GET", path).status_code == 200
    assert server.ask(server.realm.token("of-no-team", ()), "GET", path).status_code == 403


def test_the_libraries_that_scorers_wrap_are_not_installed() -> None:
    """They make addresses and imports of names in ways of their own."""
    pinned = {line.partition("==")[0] for line in (ROOT / "plugin/requirements-server.txt").read_text().splitlines()}
    assert "mlflow" in pinned
    assert not {"arize-phoenix-evals", "deepeval", "litellm", "ragas", "trulens"} & pinned
