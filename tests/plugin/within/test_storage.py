"""Where artifacts lie is the platform's to say: whatever a client names elsewhere is refused, and read by nobody."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository
from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.settings import Level
from mlflow_platform.server.within.storage import Bucket

from tests.plugin.conftest import Server

API = "/api/2.0/mlflow"
ELSEWHERE = [
    "file:///etc",
    "/etc",
    "dbfs:/x",
    "mlflow-artifacts:/x",
    "https://somewhere.example/x",
    "s3://other/x",
    "s3://mlflow2/x",
    "s3://mlflow@other/x",
    "s3:/mlflow/x",
    "S3://mlflow/x",
    "s3://mlflow/../x",
    "s3://mlflow/a/../../other/x",
    "s3://mlflow/./x",
    "s3://mlflow//x",
    "s3://mlflow?x=1/",
    "s3://mlflow/x?versionId=1",
    "s3://mlflow/x#y",
    "s3://mlflow/x\\y",
    "s3://mlflow/x\ny",
]


def experiment(server: Server, location: str | None = None, *, team: str = "editors") -> tuple[int, str]:
    """The status, and the id or what is said."""
    body = {"name": f"e-{os.urandom(6).hex()}", **({"artifact_location": location} if location is not None else {})}
    answer = server.as_member(team, "POST", f"{API}/experiments/create", json=body)
    return answer.status_code, answer.json().get("experiment_id") or answer.json()["message"]


@pytest.mark.parametrize("location", [*ELSEWHERE, "s3://mlflow", "s3://mlflow/", "s3://mlflow/0", "s3://mlflow/0/a"])
def test_an_experiment_lies_nowhere_else_and_in_no_others_place(server: Server, location: str):
    status, said = experiment(server, location)
    assert status == 400, said


def test_an_experiment_has_a_place_of_its_own_or_a_folder_that_its_team_may_read(server: Server):
    status, id = experiment(server)
    assert status == 200
    found = server.as_member("editors", "GET", f"{API}/experiments/get?experiment_id={id}").json()["experiment"]
    assert found["artifact_location"] == f"s3://mlflow/{id}"
    assert experiment(server, "s3://mlflow/projects/a b")[0] == 200
    assert experiment(server, "s3://mlflow/vision/a", team="vision")[0] == 200
    for team, location in (("vision", "projects/a"), ("vision", "visionary/a"), ("vision", ""), ("nothing", "a")):
        assert experiment(server, f"s3://mlflow/{location}", team=team)[0] == 400, location


def run(server: Server) -> dict[str, Any]:
    return server.done(f"{API}/runs/create", experiment_id="0", start_time=1)["run"]["info"]


def version(server: Server, source: str, *, team: str = "editors", **more: Any) -> int:
    name = f"m-{os.urandom(6).hex()}"
    server.done(f"{API}/registered-models/create", team=team, name=name)
    body = {"name": name, "source": source, **more}
    return server.as_member(team, "POST", f"{API}/model-versions/create", json=body).status_code


@pytest.mark.parametrize(
    "source", [*ELSEWHERE, "s3://mlflow", "s3://mlflow/0", "s3://mlflow/0/", "s3://mlflow/nobody/x"]
)
def test_a_model_version_is_of_no_other_source(server: Server, source: str):
    assert version(server, source) == 400
    assert version(server, source, run_id=run(server)["run_id"]) == 400


def test_a_model_version_is_of_what_its_team_may_read(server: Server):
    made = run(server)
    model = f"{made['artifact_uri']}/a model"
    assert version(server, model, run_id=made["run_id"]) == 200
    assert version(server, f"runs:/{made['run_id']}/a model", run_id=made["run_id"]) == 200
    assert version(server, model, team="vision") == 400


@pytest.mark.parametrize("end", ["", "/"])
def test_in_a_folder_of_its_own_an_experiment_has_everything(server: Server, end: str):
    _, id = experiment(server, f"s3://mlflow/own/{os.urandom(4).hex()}{end}")
    made = server.done(f"{API}/runs/create", experiment_id=id, start_time=1)["run"]["info"]
    assert version(server, f"{made['artifact_uri']}/model", run_id=made["run_id"]) == 200
    assert trace(server, id)[1] == 200


def trace(server: Server, experiment: str = "0", **tags: str) -> tuple[str, int]:
    id = f"tr-{os.urandom(16).hex()}"
    where = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": id, "trace_location": where, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    info["tags"] = tags
    answer = server.as_member("editors", "POST", "/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}})
    return id, answer.status_code


LOCATION, SPANS, ARCHIVE = "mlflow.artifactLocation", "mlflow.trace.spansLocation", "mlflow.trace.archiveLocation"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((LOCATION, location) for location in [*ELSEWHERE, "s3://mlflow/0", "s3://mlflow/0/traces/tr-1/artifacts"]),
        (SPANS, "ARCHIVE_REPO"),
        (SPANS, "ARTIFACT_REPO"),
        (ARCHIVE, "s3://mlflow/0"),
        (ARCHIVE, "s3://other/x"),
    ],
)
def test_where_a_trace_is_kept_is_not_a_clients_to_say(server: Server, key: str, value: str):
    id, status = trace(server)
    assert status == 200
    for path in (f"/api/2.0/mlflow/traces/{id}/tags", f"/api/3.0/mlflow/traces/{id}/tags"):
        answer = server.as_member("editors", "PATCH", path, json={"key": key, "value": value})
        assert answer.status_code == 400, answer.text
    _, status = trace(server, **{key: value})
    assert status == 400


def test_nor_by_way_of_its_spans(server: Server):
    for key, value in ((LOCATION, "s3://mlflow/0"), (SPANS, "ARCHIVE_REPO"), (ARCHIVE, "s3://mlflow/0")):
        id, sent = server.send_span(**{f"mlflow.traceTag.{key}": value})
        found = server.as_member("editors", "GET", f"/api/3.0/mlflow/traces/{id}")
        assert (sent.status_code, found.status_code) == (400, 403), (sent.text, found.text)


def test_a_traces_other_tags_and_its_own_place_are_as_ever(server: Server):
    id, status = trace(server, colour="red")
    assert status == 200
    own = f"s3://mlflow/0/traces/{id}/artifacts"
    for key, value in (("colour", "blue"), (LOCATION, own)):
        server.done(f"/api/3.0/mlflow/traces/{id}/tags", method="PATCH", key=key, value=value)
    tags = server.as_member("editors", "GET", f"/api/3.0/mlflow/traces/{id}").json()["trace"]["trace_info"]["tags"]
    assert (tags["colour"], tags[LOCATION]) == ("blue", own)


@pytest.mark.parametrize("location", ["file:///etc", "/etc", "s3://other/x", "s3://mlflow/../x", "dbfs:/x"])
def test_what_lies_elsewhere_already_is_read_by_nobody(server: Server, environment: dict[str, str], location: str):
    """Written down before anybody looked."""
    made = run(server)
    with sqlite3.connect(Path(environment["TEST_HOME"], "mlflow.db")) as database:
        database.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (location, made["run_id"]))
    for path in (f"{API}/artifacts/list?run_id=", "/get-artifact?path=a&run_id="):
        answer = server.as_member("admins", "GET", path + made["run_id"])
        assert answer.status_code in (400, 403), answer.text


def test_a_team_is_shown_what_it_may_read_itself(server: Server, environment: dict[str, str]):
    made = run(server)
    for path in (f"{API}/artifacts/list?run_id=", "/get-artifact?path=a&run_id="):
        for team in ("vision", "nothing"):
            answer = server.as_member(team, "GET", path + made["run_id"])
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")
            assert "none of your teams may read" in answer.json()["message"]


@pytest.mark.parametrize("location", ELSEWHERE)
def test_elsewhere_is_no_folder(location: str):
    assert Bucket("mlflow").folder(location) is None


READER = object.__new__(S3ArtifactRepository)
PARTS = st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8), max_size=4)


@given(PARTS)
def test_what_counts_as_a_folder_is_what_mlflow_reads(parts: list[str]):
    """No location is one place for the check and another for the reader."""
    location = f"s3://mlflow/{'/'.join(parts)}"
    folder = Bucket("mlflow").folder(location)
    if folder is not None:
        bucket, key = S3ArtifactRepository.parse_s3_compliant_uri(READER, location)
        read = f"{key.rstrip('/')}/" if key else ""
        assert (bucket, read) == ("mlflow", folder)
        assert not {"", ".", ".."} & set(read.removesuffix("/").split("/")) or read == ""


@given(PARTS, st.sampled_from(["vision/", "vision/a/", "v/"]))
def test_who_may_read_a_folder_may_read_what_is_below_it_and_nothing_beside(parts: list[str], own: str):
    who = Identity(
        "ada", frozenset({"t"}), {"default": Level.EDIT}, "c", True, 0, int(time.time()) + 60, frozenset({own})
    )
    location = f"s3://mlflow/{'/'.join(parts)}"
    key = location.removeprefix("s3://mlflow/")
    if Bucket("mlflow").may_read(who, location):
        assert f"{key}/".startswith(own)
