"""Whoever asks is written down, by whatever way; what a client says of it stays, under another name."""

import json
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow_platform.server.within.authors import CHANGED_BY, SAID

from tests.plugin.conftest import Server

ME = "member-of-editors"
API = "/api/2.0/mlflow"


def run_of(server: Server, run: str) -> tuple[str, dict[str, str]]:
    """Its user, and its tags."""
    found = server.as_member("editors", "GET", f"{API}/runs/get?run_id={run}").json()["run"]
    return found["info"]["user_id"], {tag["key"]: tag["value"] for tag in found["data"]["tags"]}


def created(server: Server, **body: Any) -> str:
    made = server.done(f"{API}/runs/create", experiment_id="0", start_time=1, **body)["run"]
    assert made["info"]["user_id"] == ME
    return made["info"]["run_id"]


@pytest.mark.parametrize("said", [None, "ada", "root", ""])
def test_a_run_is_of_who_asked(server: Server, said: str | None):
    run = created(server, **({} if said is None else {"user_id": said}))
    user, tags = run_of(server, run)
    assert (user, tags["mlflow.user"]) == (ME, ME)


@pytest.mark.parametrize("said", ["ada", ME])
def test_what_a_client_calls_itself_stays_under_another_name(server: Server, said: str):
    run = created(server, tags=[{"key": "mlflow.user", "value": said}, {"key": "own", "value": "tag"}])
    _, tags = run_of(server, run)
    assert (tags["mlflow.user"], tags["own"]) == (ME, "tag")
    assert tags.get(SAID) == (None if said == ME else said)


def test_nobody_renames_who_it_was_afterwards(server: Server):
    run = created(server)
    server.done(f"{API}/runs/set-tag", run_id=run, key="mlflow.user", value="ada")
    assert run_of(server, run)[1]["mlflow.user"] == ME
    tags = [{"key": "mlflow.user", "value": "grace"}, {"key": "beside", "value": "it"}]
    server.done(f"{API}/runs/log-batch", run_id=run, tags=tags)
    found = run_of(server, run)[1]
    assert (found["mlflow.user"], found[SAID], found["beside"]) == (ME, "grace", "it")
    refused = server.as_member("editors", "POST", f"{API}/runs/delete-tag", json={"run_id": run, "key": "mlflow.user"})
    assert refused.status_code == 400
    assert "stays" in refused.json()["message"]
    assert run_of(server, run)[1]["mlflow.user"] == ME


def test_another_who_goes_on_with_a_run_does_not_make_it_hers(server: Server):
    run = created(server)
    tags = [{"key": "mlflow.user", "value": "member-of-managers"}]
    server.done(f"{API}/runs/log-batch", team="managers", run_id=run, tags=tags)
    server.done(f"{API}/runs/set-tag", team="managers", run_id=run, key="mlflow.user", value="member-of-managers")
    assert run_of(server, run) == (ME, {**run_of(server, run)[1], "mlflow.user": ME})


def test_a_model_version_is_of_who_made_it(server: Server):
    created(server)  # and with it the experiment whose folder has the source
    name = f"model-{time.time_ns()}"
    server.done(f"{API}/registered-models/create", name=name)
    made = server.done(f"{API}/model-versions/create", name=name, source="s3://mlflow/0/x", user_id="ada")
    assert made["model_version"]["user_id"] == ME
    found = server.as_member("editors", "GET", f"{API}/model-versions/get?name={name}&version=1").json()
    assert found["model_version"]["user_id"] == ME


def test_a_deleted_model_version_keeps_no_name(server: Server, environment: dict[str, str]):
    created(server)  # and with it the experiment whose folder has the source
    name = f"model-{time.time_ns()}"
    server.done(f"{API}/registered-models/create", name=name)
    server.done(f"{API}/model-versions/create", name=name, source="s3://mlflow/0/x")
    server.done(f"{API}/model-versions/delete", team="managers", method="DELETE", name=name, version="1")
    with sqlite3.connect(Path(environment["TEST_HOME"], "mlflow.db")) as database:
        rows = database.execute("SELECT user_id FROM model_versions WHERE name = ?", (name,)).fetchall()
    assert rows == [(None,)]


def otlp_trace(server: Server) -> str:
    id, answer = server.send_span(**{"user.id": "a customer"})
    assert answer.status_code == 200, answer.text
    return id


def metadata(server: Server, trace: str) -> dict[str, str]:
    found = server.as_member("editors", "GET", f"/api/3.0/mlflow/traces/{trace}").json()
    return found["trace"]["trace_info"]["trace_metadata"]


def test_a_trace_says_who_sent_it_and_of_which_customer_it_is(server: Server):
    found = metadata(server, otlp_trace(server))
    assert (found["mlflow.user"], found["mlflow.trace.user"]) == (ME, "a customer")


def test_a_trace_is_not_sent_in_anothers_name(server: Server):
    trace = f"tr-{os.urandom(16).hex()}"
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    about = {"trace_id": trace, "trace_location": where, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    about["trace_metadata"] = {"mlflow.user": "ada", "mlflow.source.name": "x.py"}
    server.done("/api/3.0/mlflow/traces", trace={"trace_info": about})
    found = metadata(server, trace)
    assert (found["mlflow.user"], found[SAID], found["mlflow.source.name"]) == (ME, "ada", "x.py")


@pytest.fixture
def trace(server: Server) -> str:
    return otlp_trace(server)


def assessed(server: Server, trace: str, **body: Any) -> Any:
    answer = server.done(
        f"/api/3.0/mlflow/traces/{trace}/assessments",
        assessment={"assessment_name": "good", "feedback": {"value": True}, **body},
    )
    return answer["assessment"]


@pytest.mark.parametrize("said", ["default", "ada"])
def test_feedback_of_people_is_of_who_gave_it(server: Server, trace: str, said: str):
    given = assessed(server, trace, source={"source_type": "HUMAN", "source_id": said}, metadata={CHANGED_BY: "ada"})
    assert given["source"]["source_id"] == ME
    assert given.get("metadata", {}) == ({SAID: "ada"} if said == "ada" else {})


def test_a_judge_keeps_its_name_and_one_without_a_name_has_its_users(server: Server, trace: str):
    judge = {"source_type": "LLM_JUDGE", "source_id": "gateway:/judge"}
    assert assessed(server, trace, source=judge)["source"] == judge
    code = {"source_type": "CODE", "source_id": "default"}
    assert assessed(server, trace, source=code)["source"]["source_id"] == ME


def test_who_changes_anothers_feedback_is_written_beside_it(server: Server, trace: str):
    given = assessed(server, trace, source={"source_type": "HUMAN", "source_id": "default"})
    path = f"/api/3.0/mlflow/traces/{trace}/assessments/{given['assessment_id']}"
    change = {"assessment": {"feedback": {"value": False}, "metadata": {CHANGED_BY: "ada"}}}
    for team, by in (("managers", "member-of-managers"), ("editors", ME)):
        changed = server.done(path, team=team, method="PATCH", update_mask="feedback,metadata", **change)["assessment"]
        assert changed["source"]["source_id"] == ME
        assert changed["metadata"][CHANGED_BY] == by


def test_what_is_made_elsewhere_says_who_too(server: Server):
    dataset = {"name": f"data-{time.time_ns()}", "experiment_ids": ["0"], "created_by": "ada"}
    made = server.done("/api/3.0/mlflow/datasets/create", **dataset, tags=json.dumps({"mlflow.user": "ada"}))
    assert (made["dataset"]["created_by"], made["dataset"]["last_updated_by"]) == (ME, ME)
    secret = {"secret_name": dataset["name"], "secret_value": {"api_key": "k"}, "provider": "openai"}
    made = server.done("/api/3.0/mlflow/gateway/secrets/create", team="managers", **secret, created_by="ada")
    assert made["secret"]["created_by"] == "member-of-managers"
