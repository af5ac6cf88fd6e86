"""Who may do which S3 action: what MinIO's policy library says of each of our policies is what the docs' table says."""

import re

import pytest

from components import teams
from components.policies import backup_policy, tracking_policy
from components.settings.teams import BucketAccess, Team
from tests.conftest import ROOT
from tests.images.policies.asked import Question, allowed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # Go and the library's own requirements come first

_BUCKET = "mlflow"
_TABLE = "| action | read | write | MLflow | backup | administrators |"


class _Settings:
    """As much of a stack's settings as policies are made of."""

    class storage:
        bucket = _BUCKET

    class lifetimes:
        longest_storage = 3600

    def __init__(self, team: Team):
        self.teams = {"team": team}


def _policy(**team) -> str:
    made = Team.model_validate({"mlflow": "READ", **team})
    return teams.policies(_Settings(made))["team-team"]  # pyright: ignore[reportArgumentType]


# By column: who, and a key that is his.
_WHO = {
    "read": [
        (_policy(storage=BucketAccess(access="read")), "0/x"),
        (_policy(storage=BucketAccess(access="read", prefixes=("theirs/",))), "theirs/x"),
        (_policy(mlflow={"nlp": "READ"}), "workspaces/nlp/x"),
        (_policy(mlflow={"nlp": "USE"}), "workspaces/nlp/x"),
    ],
    "write": [
        (_policy(storage=BucketAccess(access="write")), "0/x"),
        (_policy(storage=BucketAccess(access="write", prefixes=("theirs/",))), "theirs/x"),
        (_policy(mlflow={"nlp": "EDIT"}), "workspaces/nlp/x"),
        (_policy(mlflow={"nlp": "MANAGE"}), "workspaces/nlp/x"),
        (_policy(mlflow={"nlp": "EDIT", "vision": "READ"}), "workspaces/nlp/x"),
    ],
    "MLflow": [(tracking_policy(_BUCKET), "0/x")],
    "backup": [(backup_policy(_BUCKET), "0/x")],
    "administrators": [("consoleAdmin", "0/x"), ("readwrite", "0/x")],
}
_HELD = [
    (policy, key) for column in ("read", "write") for policy, key in _WHO[column] if not key.startswith("0/")
]  # to folders


@pytest.fixture(scope="module")
def may(tmp_path_factory: pytest.TempPathFactory):
    """What a policy allows of S3, on the bucket and on a key."""
    ours = [case for cases in _WHO.values() for case in cases] + [("readonly", "0/x"), ("writeonly", "0/x")]
    ours.append(("diagnostics", "0/x"))
    questions = [
        Question(policy, bucket, key, {"prefix": [key or own]})
        for policy, own in ours
        for bucket in (_BUCKET, "another")
        for key in ("", own, "1/of-others")
    ]
    # The library does not know the action that it calls by a star: it stands for all others.
    answers = [
        {action for action in found if action.startswith("s3:")} - {"s3:*"}
        for found in allowed(questions, tmp_path_factory.mktemp("evaluate"))
    ]
    by = {(asked.policy, asked.bucket, asked.key): found for asked, found in zip(questions, answers, strict=True)}

    def look_up(policy: str, key: str, bucket: str = _BUCKET) -> set[str]:
        return by[policy, bucket, key]

    return look_up


@pytest.fixture(scope="module")
def table() -> dict[str, set[str]]:
    """By column the actions that the docs allow, and by "" all that they have a line for."""
    _, _, after = (ROOT / "docs/security.md").read_text().partition(f"{_TABLE}\n")
    found: dict[str, set[str]] = {column: set() for column in (*_WHO, "")}
    for line in after.partition("\n\n")[0].splitlines()[1:]:
        actions, *marks = [cell.strip() for cell in line.strip("|").split("|")]
        named = {f"s3:{action}" for action in re.findall(r"`(\w+)`", actions)}
        assert named and not named & found[""], line
        found[""] |= named
        for column, mark in zip(_WHO, marks, strict=True):
            assert mark in ("yes", ""), line
            found[column] |= named if mark else set()
    return found


def test_the_table_has_every_action_that_there_is(may, table):
    assert table[""] == may("consoleAdmin", "") | may("consoleAdmin", "0/x")


@pytest.mark.parametrize(
    ("column", "policy", "key"), [(column, *case) for column, cases in _WHO.items() for case in cases]
)
def test_it_says_what_a_policy_allows(column: str, policy: str, key: str, may, table):
    assert may(policy, "") | may(policy, key) == table[column]


@pytest.mark.parametrize("policy", [policy for column in list(_WHO)[:-1] for policy, _ in _WHO[column]])
def test_a_policy_says_nothing_of_another_bucket(policy: str, may):
    keys = [key for cases in _WHO.values() for other, key in cases if other == policy]
    assert [may(policy, key, "another") for key in ("", *keys)] == [set(), *(set() for _ in keys)]


@pytest.mark.parametrize(("policy", "key"), _HELD)
def test_who_is_held_to_folders_does_nothing_in_others(policy: str, key: str, may):
    assert may(policy, key) & {"s3:GetObject"}
    assert may(policy, "1/of-others") == set()


def test_canned_policies_of_less_allow_no_more_than_ours(may, table):
    assert may("readonly", "") | may("readonly", "0/x") <= table["read"]
    assert may("writeonly", "") | may("writeonly", "0/x") <= table["write"]
    assert may("diagnostics", "") | may("diagnostics", "0/x") == set()
