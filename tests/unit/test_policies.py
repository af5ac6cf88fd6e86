"""What a generated policy allows, judged as MinIO judges: any statement whose action, resource and condition match."""

import json
import re
from itertools import chain
from typing import Any, Literal

from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from components.policies import EVERYTHING, team_policy, tracking_policy
from components.settings import Prefix

BUCKET = "mlflow"
ACCESS = st.sampled_from(["read", "write"])
PREFIXES = st.lists(st.from_regex(r"[A-Za-z0-9!_.()-]{1,4}(/[a-z0-9_.]{1,3}){0,2}/", fullmatch=True), max_size=4)
KEYS = st.text(alphabet="ab/1._*?$", min_size=1, max_size=12)
HOUR = 3600
READS, WRITES = ["s3:GetObject"], ["s3:PutObject", "s3:DeleteObject"]


def where(access: Literal["read", "write"], prefixes: list[str]) -> tuple[list[str], list[str]]:
    """What begins the keys to read, and those to write, of a team with one access."""
    begins = prefixes or [*EVERYTHING]
    return ([], begins) if access == "write" else (begins, [])


def like(pattern: str, value: str) -> bool:
    """A pattern of a policy: a star is any text, a question mark any character."""
    parts = [{"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern]
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def allows(policy: str, action: str, resource: str, prefix: str = "") -> bool:
    statements: list[dict[str, Any]] = json.loads(policy)["Statement"]
    always = [statement for statement in statements if "Condition" not in statement]
    denied = [statement["Action"] for statement in always if statement["Effect"] == "Deny"]
    return action not in chain(*denied) and any(
        any(like(pattern, action) for pattern in statement["Action"])
        and any(like(pattern, f"arn:aws:s3:::{resource}") for pattern in statement["Resource"])
        and any(like(p, prefix) for p in statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["*"]))
        for statement in statements
        if statement["Effect"] == "Allow"
    )


@given(ACCESS, PREFIXES.filter(len), KEYS, st.booleans(), st.data())
def test_nothing_is_allowed_outside_of_the_prefixes(
    access: Literal["read", "write"], prefixes: list[str], key: str, nested: bool, data: st.DataObject
):
    if nested:
        key += "/" + data.draw(st.sampled_from(prefixes)) + "x"
    assume(not any(key.startswith(prefix) for prefix in prefixes))
    policy = team_policy(BUCKET, *where(access, prefixes), HOUR)
    assert not [action for action in READS + WRITES if allows(policy, action, f"{BUCKET}/{key}")]
    assert not allows(policy, "s3:ListBucket", BUCKET, prefix=key)


@given(ACCESS, PREFIXES.filter(len), KEYS, st.data())
def test_everything_under_a_prefix_can_be_read_and_written_by_those_who_may_write(
    access: Literal["read", "write"], prefixes: list[str], key: str, data: st.DataObject
):
    inside = data.draw(st.sampled_from(prefixes)) + key
    policy = team_policy(BUCKET, *where(access, prefixes), HOUR)
    assert all(allows(policy, action, f"{BUCKET}/{inside}") for action in READS)
    assert {allows(policy, action, f"{BUCKET}/{inside}") for action in WRITES} == {access == "write"}
    assert allows(policy, "s3:ListBucket", BUCKET, prefix=inside)


@given(PREFIXES.filter(len), PREFIXES.filter(len), KEYS, st.data())
def test_what_may_be_read_alone_is_not_written(reads: list[str], writes: list[str], key: str, data: st.DataObject):
    inside = data.draw(st.sampled_from(reads)) + key
    policy = team_policy(BUCKET, reads, writes, HOUR)
    assert allows(policy, "s3:GetObject", f"{BUCKET}/{inside}")
    assert allows(policy, "s3:ListBucket", BUCKET, prefix=inside)
    may_write = any(inside.startswith(prefix) for prefix in writes)
    assert {allows(policy, action, f"{BUCKET}/{inside}") for action in WRITES} == {may_write}


@given(ACCESS, PREFIXES, st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), KEYS)
def test_no_other_bucket_is_reached(access: Literal["read", "write"], prefixes: list[str], other: str, key: str):
    assume(other != BUCKET)
    policy = team_policy(BUCKET, *where(access, prefixes), HOUR)
    for bucket in (other, f"{BUCKET}{other}", f"{BUCKET}-{other}"):
        assert not [action for action in READS + WRITES if allows(policy, action, f"{bucket}/{key}")]
        assert not allows(policy, "s3:ListBucket", bucket)


@given(ACCESS, PREFIXES)
def test_nobody_removes_a_version_or_changes_the_bucket(access: Literal["read", "write"], prefixes: list[str]):
    policy = team_policy(BUCKET, *where(access, prefixes), HOUR)
    denied = [statement for statement in json.loads(policy)["Statement"] if statement["Effect"] == "Deny"]
    # Said outright, since MinIO asks only whether this is denied once DeleteObject is allowed.
    assert {"Effect": "Deny", "Action": ["s3:DeleteObjectVersion"], "Resource": [f"arn:aws:s3:::{BUCKET}/*"]} in denied
    for action in ("s3:DeleteBucket", "s3:PutBucketPolicy", "s3:PutBucketVersioning", "s3:DeleteObjectVersion"):
        assert not allows(policy, action, BUCKET)
        assert not allows(policy, action, f"{BUCKET}/{(prefixes or [''])[0]}x")
    assert not allows(policy, "admin:CreateUser", "")


@given(ACCESS, PREFIXES)
def test_nobody_gets_credentials_or_keys_that_outlive_the_session(
    access: Literal["read", "write"], prefixes: list[str]
):
    statements = json.loads(team_policy(BUCKET, *where(access, prefixes), HOUR))["Statement"]
    _, keys, longer = [statement for statement in statements if statement["Effect"] == "Deny"]
    assert keys["Action"] == ["admin:CreateServiceAccount", "admin:UpdateServiceAccount", "admin:CreateUser"]
    assert longer["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert longer["Condition"] == {"NumericGreaterThan": {"sts:DurationSeconds": [HOUR]}}


def test_mlflows_own_user_reaches_the_bucket_and_makes_no_keys():
    policy = tracking_policy(BUCKET)
    assert all(allows(policy, action, f"{BUCKET}/1/x") for action in READS + WRITES)
    assert not allows(policy, "s3:GetObject", "another/x")
    assert not allows(policy, "admin:CreateServiceAccount", "")


@given(ACCESS, PREFIXES, st.randoms())
def test_the_same_rights_are_the_same_text(access: Literal["read", "write"], prefixes: list[str], random: Any):
    shuffled = random.sample(prefixes, len(prefixes))
    assert team_policy(BUCKET, *where(access, shuffled), HOUR) == team_policy(BUCKET, *where(access, prefixes), HOUR)


@given(st.text(max_size=8).map(lambda text: f"{text}/"))
def test_no_prefix_that_the_settings_take_means_more_than_itself(prefix: str):
    try:
        TypeAdapter(Prefix).validate_python(prefix)
    except ValueError:
        return
    assert not set(prefix) & set('*?${}"\\')
    assert prefix != "/"
