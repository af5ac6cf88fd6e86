"""What teams may do in which workspace, as Keycloak, MinIO and MLflow are told."""

import json

import pytest

from .graph import DEV, PROJECT, Graph, declare
from .test_policies import allows

TEAMS = {
    "admins": {"mlflow": "ADMIN", "storage": "consoleAdmin"},
    "vision": {"mlflow": {"vision": "MANAGE", "default": "READ"}},
    "both": {"mlflow": {"vision": "USE", "nlp": "EDIT"}, "storage": {"access": "read", "prefixes": ["data/"]}},
}
OWN = {"default": "workspaces/default/1/x", "vision": "workspaces/vision/2/x", "nlp": "workspaces/nlp/3/x"}


@pytest.fixture(scope="module")
def rooms() -> Graph:
    without = {f"{PROJECT}:{key}" for key in ("teams", "dev_users", "service_clients")}
    said = {f"{PROJECT}:workspaces": json.dumps(["vision", "nlp"]), f"{PROJECT}:teams": json.dumps(TEAMS)}
    return declare({**{key: value for key, value in DEV.items() if key not in without}, **said})


def test_mlflow_is_told_the_level_in_each_and_the_order(rooms: Graph):
    told = json.loads(rooms.upload("mlflow", "/etc/mlflow-platform/server.json"))
    assert told["workspaces"] == ["vision", "nlp", "default"]
    assert {name: team["levels"] for name, team in told["teams"].items()} == {
        "admins": {"vision": "ADMIN", "nlp": "ADMIN", "default": "ADMIN"},
        "vision": {"vision": "MANAGE", "default": "READ"},
        "both": {"vision": "USE", "nlp": "EDIT"},
    }
    assert set(told["teams"]["both"]["reads"]) == {"data/", "workspaces/vision/", "workspaces/nlp/"}


@pytest.mark.parametrize(
    ("team", "key", "reads", "writes"),
    [
        ("vision", OWN["vision"], True, True),
        ("vision", OWN["default"], True, False),
        ("vision", "0/of-before-there-were-workspaces", True, False),
        ("vision", OWN["nlp"], False, False),
        ("vision", "workspaces/vision-2/1/x", False, False),
        ("vision", "data/x", False, False),
        ("both", OWN["nlp"], True, True),
        ("both", OWN["vision"], True, False),
        ("both", OWN["default"], False, False),
        ("both", "0/of-before-there-were-workspaces", False, False),
        ("both", "data/x", True, False),
    ],
)
def test_in_minio_a_team_reaches_what_its_levels_say(rooms: Graph, team: str, key: str, reads: bool, writes: bool):
    policy = rooms.the(":IamPolicy", f"minio-team-{team}").inputs["policy"]
    assert allows(policy, "s3:GetObject", f"mlflow/{key}") == reads
    assert allows(policy, "s3:ListBucket", "mlflow", prefix=key) == reads
    for action in ("s3:PutObject", "s3:DeleteObject"):
        assert allows(policy, action, f"mlflow/{key}") == writes
    assert not allows(policy, "s3:ListBucket", "mlflow", prefix="workspaces/")


def test_each_team_has_a_group_of_its_own_with_its_policy(rooms: Graph):
    groups = {group.inputs["name"]: group.inputs["attributes"]["policy"] for group in rooms.of(":Group")}
    assert groups == {"admins": "consoleAdmin", "vision": "team-vision", "both": "team-both"}


def test_without_workspaces_everything_is_as_it_was(dev: Graph):
    told = json.loads(dev.upload("mlflow", "/etc/mlflow-platform/server.json"))
    assert told["workspaces"] == []
    assert {name: team["levels"] for name, team in told["teams"].items()} == {
        "platform-admins": {"default": "ADMIN"},
        "model-developers": {"default": "EDIT"},
        "model-viewers": {"default": "READ"},
    }
