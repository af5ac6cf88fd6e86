"""How much there is, as MinIO's scanner says it; and what is said where it says nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.policies import team_policy
from launcher import sizes
from launcher.state import State
from tests.launcher.deployment import container, deployed, urn

USAGE = {
    "lastUpdate": "2026-11-28T15:39:54.599191206Z",
    "bucketsUsageInfo": {"mlflow": {"size": 53_200_000, "objectsCount": 1200, "versionsCount": 1300}},
}
POLICY = "minio:index/iamPolicy:IamPolicy"
ACCOUNT: dict[str, list[dict[str, Any]]] = {"Buckets": [{"name": "mlflow", "prefixUsage": {"vision": 2000, "1": 1000}}]}


def managed(token: str, **inputs: Any) -> dict[str, Any]:
    return {"urn": urn(token, str(inputs)), "type": token, "id": "1", "inputs": inputs, "dependencies": []}


def state(*prefixes: str) -> State:
    """With a team that is limited to these folders."""
    policy = team_policy("mlflow", [], prefixes, 3600)
    return State(
        {
            "resources": [
                container("minio-1"),
                managed("minio:index/s3Bucket:S3Bucket", bucket="mlflow"),
                managed(POLICY, name="team-all", policy=team_policy("mlflow", [""], [], 3600)),
                managed(POLICY, name="mlflow-server", policy=policy),
                managed(POLICY, name="team-vision", policy=policy),
            ]
        }
    )


@pytest.fixture
def answers(programs: Callable[[str, str], Path], tmp_path: Path) -> Callable[[Any, Any], None]:
    """Makes the container say this."""

    def say(usage: Any, account: Any) -> None:
        (tmp_path / "said").write_text(f"{json.dumps(usage)}\n{json.dumps(account)}\n")
        programs("docker", f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/said')

    return say


def rows(said: str) -> list[list[str]]:
    return [line.split() for line in said.splitlines()[1:]]


def test_the_bucket_and_the_folders_of_teams_are_told_with_the_minute_of_the_count(answers: Callable[[Any, Any], None]):
    answers(USAGE, ACCOUNT)
    said = sizes.told(state("vision/", "new/", "shared/models/"))
    assert said.startswith("PLACE, 2026-11-28 ")
    assert rows(said) == [
        ["mlflow", "1,200", "1,300", "53.2", "MB"],
        ["mlflow/new/", "(vision)", "-", "-", "0", "B"],
        ["mlflow/shared/models/", "(vision)", "-", "-", "-"],
        ["mlflow/vision/", "(vision)", "-", "-", "2.0", "kB"],
    ]


def test_where_there_are_other_buckets_folders_are_not_told_for_they_may_be_theirs(answers: Callable[[Any, Any], None]):
    answers(USAGE, {"Buckets": [{"name": "a", "prefixUsage": {"vision": 5}}, *ACCOUNT["Buckets"]]})
    assert rows(sizes.told(state("vision/")))[1:] == [["mlflow/vision/", "(vision)", "-", "-", "-"]]


@pytest.mark.parametrize(
    ("usage", "why"),
    [({"lastUpdate": "0001-01-01T00:00:00Z"}, "has not counted yet"), ("not what was asked", "does not say")],
)
def test_where_nothing_was_counted_it_is_said_why(answers: Callable[[Any, Any], None], usage: Any, why: str):
    answers(usage, ACCOUNT)
    assert why in sizes.told(state())


def test_a_server_that_does_not_answer_is_named_and_its_error_is_not_shown(programs: Callable[[str, str], Path]):
    programs("docker", "echo 'user = root:hunter2' >&2; exit 1")
    assert sizes.told(state()) == "How much is in MinIO: it does not say (docker logs p-minio-1)"
    assert sizes.told(deployed()) == "How much is in MinIO: there is none"


def test_no_key_is_in_a_list_of_processes(answers: Callable[[Any, Any], None], tmp_path: Path):
    answers(USAGE, ACCOUNT)
    sizes.told(state())
    asked = (tmp_path / "asked").read_text()
    assert "$MINIO_ROOT_PASSWORD" in asked and "--config -" in asked
