"""Users, policies, and who has which."""

import io
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from minio import Minio
from minio.error import S3Error

from offline.providers.minio import PROVIDER
from offline.providers.minio.policies import equivalent
from offline.providers.minio.server import Server

from ..harness import Case, Plugin, live
from .inputs import ATTACHMENT, BUCKET, POLICY, USER, behind, document


def _iam_policy(server: Server) -> Case:
    stolen = json.loads(document("s3:*"))
    return Case(
        POLICY,
        {"name": "life", "policy": document("s3:PutObject", "s3:GetObject", indent=2)},
        update={"name": "life", "policy": document("s3:GetObject")},
        replace={"name": "other", "policy": document("s3:GetObject")},
        drift=behind(lambda: server.admin.policy_add("life", policy=stolen)),
        drifted={"policy"},
        vanish=behind(lambda: server.admin.policy_remove("life")),
    )


def _user(server: Server) -> Case:
    return Case(
        USER,
        {"name": "life", "secret": "first-secret"},
        update={"name": "life", "secret": "second-secret", "tags": {"of": "test"}},
        replace={"name": "other", "secret": "second-secret"},
        drift=behind(lambda: server.admin.user_disable("life")),
        drifted={"disableUser"},
        vanish=behind(lambda: server.admin.user_remove("life")),
        unimportable={"secret"},
    )


LIVES = [_iam_policy, _user]


@pytest.mark.parametrize("case", LIVES, ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Server], Case], plugin: Plugin, server: Server):
    with server.calls():
        server.s3.list_buckets()  # the provider waits for the server to be ready
    live(plugin, case(server))


def test_an_attachments_life(plugin: Plugin, server: Server):
    plugin.create(USER, {"name": "attached", "secret": "any-secret"})
    for name in ("one", "two"):
        plugin.create(POLICY, {"name": name, "policy": document("s3:GetObject")})
    inputs = {"userName": "attached", "policyName": "one"}
    first = plugin.create(ATTACHMENT, inputs)
    second = plugin.create(ATTACHMENT, {"userName": "attached", "policyName": "two"})

    assert re.fullmatch(r"attached-\d{18}[0-9a-f]{8}", first.id)
    assert plugin.diff(first, inputs).paths == {}
    assert plugin.refresh(first) == first
    assert plugin.diff(first, {"userName": "attached", "policyName": "two"}).kind == "replace"
    assert plugin.diff(first, {"userName": "life", "policyName": "one"}).kind == "replace"
    found = plugin.imported(ATTACHMENT, "attached/one")
    assert found is not None and re.fullmatch(r"attached-\d{18}[0-9a-f]{8}", found.id)
    assert plugin.diff(found, inputs).paths == {}

    server.admin.detach_policy(["one"], user="attached")
    assert plugin.refresh(first) is None
    plugin.delete(first)
    assert plugin.refresh(second) is not None, "the other policy stays"
    server.admin.user_remove("attached")
    plugin.delete(second)


def test_a_user_may_do_what_its_policy_says_and_no_more(plugin: Plugin, config: dict[str, Any], server: Server):
    plugin.create(BUCKET, {"bucket": "mine", "forceDestroy": True})
    plugin.create(BUCKET, {"bucket": "theirs"})
    plugin.create(POLICY, {"name": "mine", "policy": document("s3:PutObject", bucket="mine")})
    made = plugin.create(USER, {"name": "worker", "secret": "worker-secret"})
    plugin.create(ATTACHMENT, {"userName": "worker", "policyName": "mine"})

    worker = Minio(config["minioServer"], "worker", "worker-secret", secure=False, region="us-east-1")
    worker.put_object("mine", "a", io.BytesIO(b"x"), 1)
    with pytest.raises(S3Error, match="AccessDenied"):
        worker.put_object("theirs", "a", io.BytesIO(b"x"), 1)

    plugin.update(made, {"name": "worker", "secret": "worker-secret", "disableUser": True})
    with pytest.raises(S3Error):
        worker.put_object("mine", "a", io.BytesIO(b"x"), 1)


def test_policies_for_one_user_attached_at_the_same_time_all_stay(plugin: Plugin, server: Server):
    plugin.create(USER, {"name": "many", "secret": "many-secret"})
    names = [f"many{number}" for number in range(6)]
    for name in names:
        plugin.create(POLICY, {"name": name, "policy": document("s3:GetObject")})
    attachment = PROVIDER.types[ATTACHMENT]
    with ThreadPoolExecutor(6) as threads:
        made = list(
            threads.map(lambda name: attachment.create(server, {"userName": "many", "policyName": name}), names)
        )
    assert len({id for id, _ in made}) == 6
    assert sorted(json.loads(server.admin.user_info("many"))["policyName"].split(",")) == names


def test_a_secret_is_made_up_where_the_program_gives_none(plugin: Plugin):
    made = plugin.create(USER, {"name": "silent"})
    assert len(made.outputs["secret"]) == 40 and "secret" in made.secrets
    assert plugin.diff(made, {"name": "silent"}).kind == "none"
    plugin.delete(made)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (document("s3:GetObject", "s3:PutObject"), document("s3:PutObject", "s3:GetObject", indent=4), True),
        (document("s3:GetObject"), document("s3:GetObject").replace('["s3:GetObject"]', '"s3:GetObject"'), True),
        (document("s3:GetObject"), document("s3:GetObject").replace("{", '{"ID": "", ', 1), True),
        (document("s3:GetObject"), document("s3:PutObject"), False),
        (document("s3:GetObject"), document("s3:GetObject", bucket="other"), False),
        (document("s3:GetObject"), document("s3:GetObject").replace("Allow", "Deny"), False),
        (document("s3:GetObject"), "no JSON", False),
    ],
)
def test_policies_are_compared_by_what_they_mean(one: str, other: str, same: bool):
    assert equivalent(one, other) is same


def test_another_layout_of_a_policy_is_no_change(plugin: Plugin):
    made = plugin.create(POLICY, {"name": "layout", "policy": document("s3:GetObject", "s3:PutObject")})
    assert (
        plugin.diff(made, {"name": "layout", "policy": document("s3:PutObject", "s3:GetObject", indent=2)}).paths == {}
    )
