"""A job reads artifacts as whoever started it may read them, whatever a row of the database says."""

import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities.span import Span
from mlflow.tracing.otel.otel_archival import spans_to_traces_data_pb

from tests.plugin.conftest import Server
from tests.plugin.within.judging import JUDGE, S3, Model, ended, started, trace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CANARY = "what lies elsewhere"
OWN = "s3://mlflow/0/traces/x/artifacts"
# Where MLflow looks for spans that are not in the database, by the tag that says it: as which file, and written how.
KINDS: dict[str, tuple[str, str, Callable[[list[Span]], bytes]]] = {
    "ARCHIVE_REPO": ("mlflow.trace.archiveLocation", "traces.pb", spans_to_traces_data_pb),
    "ARTIFACT_REPO": (
        "mlflow.artifactLocation",
        "traces.json",
        lambda spans: json.dumps({"spans": [span.to_dict() for span in spans]}).encode(),
    ),
}


class Elsewhere:
    """Moves what a trace has out of the database, past all that looks at what is written down."""

    def __init__(self, server: Server, home: Path, s3: S3):
        self._server, self._database, self._s3 = server, home / "mlflow.db", s3

    def trace(self, location: str, kind: str) -> str:
        id, (tag, file, written) = trace(self._server), KINDS[kind]
        with sqlite3.connect(self._database, timeout=30) as database:
            rows = database.execute("SELECT content FROM spans WHERE trace_id = ?", (id,)).fetchall()
            spans = [json.loads(content) for (content,) in rows]
            database.execute("DELETE FROM spans WHERE trace_id = ?", (id,))
            for key, value in (("mlflow.trace.spansLocation", kind), (tag, location)):
                row = (key, value, id)
                database.execute("INSERT OR REPLACE INTO trace_tags (key, value, request_id) VALUES (?, ?, ?)", row)
        for span in spans:
            span["attributes"]["mlflow.spanOutputs"] = json.dumps(CANARY)
        self._put(f"{location}/{file}", written([Span.from_dict(span) for span in spans]))
        return id

    def scheduled(self, traces: list[str]) -> tuple[int, str]:
        """A job that nobody started, as MLflow's scheduler makes them: how it ended, and what it says."""
        id = os.urandom(16).hex()
        params = json.dumps({"experiment_id": "0", "serialized_scorer": json.dumps(JUDGE), "trace_ids": traces})
        row = (id, "invoke_scorer", params, "default", 0, 0, 0, 0, "local")
        columns = "id, job_name, params, workspace, status, retry_count, creation_time, last_update_time"
        with sqlite3.connect(self._database, timeout=30) as database:
            database.execute(f"INSERT INTO jobs ({columns}, executor_backend) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with sqlite3.connect(self._database, timeout=30) as database:
                status, result = database.execute("SELECT status, result FROM jobs WHERE id = ?", (id,)).fetchone()
            if status not in (0, 1):
                return status, result
            time.sleep(0.5)
        raise TimeoutError(self._server.log_file.read_text()[-4000:])

    def _put(self, location: str, content: bytes) -> None:
        if location.startswith("s3://"):
            self._s3.objects[f"/{location.removeprefix('s3://')}"] = content
            return
        file = Path(location.removeprefix("file://"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


@pytest.fixture
def elsewhere(platform: Server, home: Path, s3: S3) -> Elsewhere:
    s3.asked.clear()
    return Elsewhere(platform, home, s3)


def nothing_shown(job: Any, model: Model, server: Server) -> None:
    assert CANARY.encode() not in model.prompts
    assert CANARY not in json.dumps(job) + server.log_file.read_text()


@pytest.mark.parametrize(
    ("team", "location"),
    [
        ("editors", "file://{home}/elsewhere"),
        ("editors", "{home}/elsewhere"),
        ("editors", "s3://other/x"),
        ("vision", OWN),
        ("nothing", "s3://mlflow/vision/x"),
    ],
)
def test_a_judge_is_shown_nothing_that_its_user_may_not_read(
    team: str, location: str, elsewhere: Elsewhere, platform: Server, home: Path, s3: S3, model: Model
):
    moved = elsewhere.trace(location.format(home=home), "ARCHIVE_REPO")
    job = ended(platform, started(platform, [moved], team), team)
    assert (job["status"], "none of your teams may read" in job["result"]) == ("FAILED", True), job
    assert s3.asked == []
    nothing_shown(job, model, platform)


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("genai/evaluate/invoke", {"serialized_scorers": [json.dumps(JUDGE)]}),
        ("issues/invoke", {"categories": ["any"], "provider": "openai", "endpoint_name": "judge"}),
    ],
)
def test_nor_is_what_reads_traces_by_mlflows_client(
    path: str, how: dict[str, Any], elsewhere: Elsewhere, platform: Server, home: Path, s3: S3, model: Model
):
    moved = [elsewhere.trace(each, "ARTIFACT_REPO") for each in (f"file://{home}/elsewhere", "s3://other/x")]
    what = {"experiment_id": "0", "trace_ids": moved, **how}
    answer = platform.as_member("editors", "POST", f"/ajax-api/3.0/mlflow/{path}", json=what)
    assert answer.status_code == 200, answer.text
    begun = answer.json()
    job = ended(platform, begun["job_id"])
    assert job["status"] == "FAILED", job
    run = platform.as_member("editors", "GET", f"/api/2.0/mlflow/runs/get?run_id={begun['run_id']}").json()["run"]
    assert run["info"]["status"] == "FAILED"
    assert s3.asked == []
    nothing_shown([job, run], model, platform)


def test_a_judge_that_nobody_started_reads_in_the_folder_of_its_experiment_alone(
    elsewhere: Elsewhere, platform: Server, s3: S3, model: Model
):
    status, result = elsewhere.scheduled([elsewhere.trace("s3://mlflow/1/traces/x/artifacts", "ARCHIVE_REPO")])
    assert (status, "none of your teams may read" in result) == (3, True), result
    assert s3.asked == []
    nothing_shown(result, model, platform)
    elsewhere.scheduled([elsewhere.trace(OWN, "ARCHIVE_REPO")])
    assert f"/{OWN.removeprefix('s3://')}/traces.pb" in s3.asked


@pytest.mark.parametrize(("team", "location"), [("editors", OWN), ("vision", "s3://mlflow/vision/x")])
def test_a_judge_reads_what_its_user_may_read(
    team: str, location: str, elsewhere: Elsewhere, platform: Server, model: Model
):
    moved = elsewhere.trace(location, "ARCHIVE_REPO")
    model.prompts = b""
    job = ended(platform, started(platform, [moved], team), team)
    assert job["status"] == "SUCCEEDED", job
    assert job["result"][moved]["assessments"][0]["feedback"] == {"value": "yes"}
    assert CANARY.encode() in model.prompts
    model.prompts = b""
