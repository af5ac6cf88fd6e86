"""Which workspace is meant: what was chosen once, unless MLflow is told of another."""

import mlflow
import pytest
from mlflow.tracking.default_experiment import registry as experiments
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from mlflow_platform.client import sessions, telemetry, workspaces
from mlflow_platform.client.errors import ClientError
from mlflow_platform.client.store import LoginFile

from tests.client.double import Double
from tests.client.test_cli import run

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def chosen(platform: Double, logged_in: LoginFile) -> str:
    platform.workspaces = ["vision", "nlp"]
    session = sessions.find(platform.url)
    assert session
    workspaces.choose(session, "nlp")
    return "nlp"


def asked(server: Double) -> list[str | None]:
    """The workspace of each request to MLflow."""
    http_request(get_default_host_creds(server.url), "/api/2.0/mlflow/runs/get", "GET")
    return [request.headers.get(workspaces.HEADER) for request in server.to("/api/")]


def test_without_a_choice_the_platform_says_which(platform: Double, logged_in: LoginFile):
    platform.workspaces = ["vision", "nlp"]
    assert asked(platform) == [None]


def test_what_was_chosen_goes_with_each_request_to_the_platform_and_to_no_other_server(
    platform: Double, chosen: str, other: Double
):
    assert asked(platform) == [chosen]
    assert asked(other) == [None]


def test_what_mlflow_is_told_goes_before(platform: Double, chosen: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(workspaces.VARIABLE, "vision")
    assert asked(platform) == ["vision"]


def test_a_workspace_that_is_not_ones_own_is_refused_and_the_choice_stays(platform: Double, chosen: str):
    done = run("workspace", "use", "video")
    assert (done.returncode, done.stderr) == (
        1,
        "mlflow-platform: There is no workspace video for dev; there are vision, nlp.\n",
    )
    assert workspaces.chosen(platform.url) == chosen


def test_the_list_marks_the_one_that_is_meant(platform: Double, logged_in: LoginFile):
    platform.workspaces = ["vision", "nlp"]
    assert run("workspace").stdout == "* vision\n  nlp\n"
    assert run("workspace", "use", "nlp").stdout == "  vision\n* nlp\n"
    assert run("workspace").stdout == "  vision\n* nlp\n"
    assert "works in nlp (of vision, nlp)\n" in run("status").stdout


def test_a_platform_without_workspaces_says_so(platform: Double, logged_in: LoginFile):
    assert run("workspace").stdout == "This platform has no workspaces.\n"
    assert "works in" not in run("status").stdout
    session = sessions.find(platform.url)
    assert session
    with pytest.raises(ClientError, match="has none"):
        workspaces.choose(session, "nlp")


def test_who_names_no_experiment_is_in_the_workspaces_own(
    platform: Double, logged_in: LoginFile, monkeypatch: pytest.MonkeyPatch
):
    """MLflow's number 0 is in one workspace alone."""

    class Found:
        experiment_id = "7"

    monkeypatch.setattr("mlflow.tracking.MlflowClient.get_experiment_by_name", lambda self, name: Found())
    mlflow.set_tracking_uri(platform.url)
    assert experiments.get_experiment_id() == "7"


def test_spans_of_other_libraries_go_there_too(
    platform: Double, chosen: str, other: Double, monkeypatch: pytest.MonkeyPatch
):
    def sent(server: Double) -> str | None:
        telemetry.session().post(f"{server.url}/v1/traces", data=b"spans")
        return server.to("/v1/traces")[-1].headers.get(workspaces.HEADER)

    assert sent(platform) == chosen
    assert sent(other) is None
    monkeypatch.setenv(workspaces.VARIABLE, "vision")
    assert sent(platform) == "vision"
