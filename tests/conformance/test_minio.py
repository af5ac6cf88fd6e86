"""The minio stand-in against a MinIO of its own: every type's life, the traps, a stack under the real CLI."""

import copy
import io
import json
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulumi
import pulumi_minio as minio
import pytest
from minio import Minio
from minio.error import S3Error

from offline.providers.minio import PROVIDER
from offline.providers.minio.policies import equivalent
from offline.providers.minio.server import Server

from .containers import running
from .harness import Case, Plugin, Refused, Resource, live
from .stacks import Stack

BUCKET = "minio:index/s3Bucket:S3Bucket"
VERSIONING = "minio:index/s3BucketVersioning:S3BucketVersioning"
POLICY = "minio:index/iamPolicy:IamPolicy"
USER = "minio:index/iamUser:IamUser"
ATTACHMENT = "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment"


def _policy(*actions: str, bucket: str = "data", **layout: Any) -> str:
    resource = f"arn:aws:s3:::{bucket}/*"
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, **layout)


@pytest.fixture(scope="session")
def config(local_image: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    """The provider's arguments for a server that lives as long as these tests; it may still be starting."""
    password = secrets.token_hex(12)
    secret = "/etc/root.env"
    with running(
        local_image("minio"),
        ["server", "/data"],
        port=9000,
        environment={"MINIO_CONFIG_ENV_FILE": secret},
        files={secret: f"MINIO_ROOT_USER=root\nMINIO_ROOT_PASSWORD={password}\n"},
    ) as port:
        yield {
            "minioServer": f"127.0.0.1:{port}",
            "minioUser": "root",
            "minioPassword": password,
            "minioSsl": "false",
            "minioRegion": "us-east-1",
        }


@pytest.fixture(scope="session")
def plugin(config: dict[str, Any]) -> Plugin:
    return Plugin(copy.copy(PROVIDER), config)


@pytest.fixture
def server(plugin: Plugin) -> Server:
    """For changes behind Pulumi's back."""
    return plugin.client


def _bucket(server: Server) -> Case:
    inputs = {"bucket": "life"}
    return Case(
        BUCKET,
        {**inputs, "quota": 1 << 30},
        update={**inputs, "quota": 2 << 30, "forceDestroy": True},
        replace={"bucket": "other"},
        drift=_behind(lambda: server.admin.bucket_quota_set("life", 3 << 30)),
        drifted={"quota"},
        vanish=_behind(lambda: server.s3.remove_bucket("life")),
        unimportable={"forceDestroy"},
    )


def _versioning(server: Server) -> Case:
    from minio.versioningconfig import VersioningConfig

    server.s3.make_bucket("versions")
    return Case(
        VERSIONING,
        {"bucket": "versions", "versioningConfiguration": {"status": "Enabled"}},
        update={
            "bucket": "versions",
            "versioningConfiguration": {"status": "Enabled", "excludedPrefixes": ["tmp/"], "excludeFolders": True},
        },
        replace={"bucket": "other", "versioningConfiguration": {"status": "Enabled"}},
        drift=_behind(lambda: server.s3.set_bucket_versioning("versions", VersioningConfig("Suspended"))),
        drifted={"versioningConfiguration"},
        vanish=_behind(lambda: server.s3.remove_bucket("versions")),
    )


def _iam_policy(server: Server) -> Case:
    stolen = json.loads(_policy("s3:*"))
    return Case(
        POLICY,
        {"name": "life", "policy": _policy("s3:PutObject", "s3:GetObject", indent=2)},
        update={"name": "life", "policy": _policy("s3:GetObject")},
        replace={"name": "other", "policy": _policy("s3:GetObject")},
        drift=_behind(lambda: server.admin.policy_add("life", policy=stolen)),
        drifted={"policy"},
        vanish=_behind(lambda: server.admin.policy_remove("life")),
    )


def _user(server: Server) -> Case:
    return Case(
        USER,
        {"name": "life", "secret": "first-secret"},
        update={"name": "life", "secret": "second-secret", "tags": {"of": "test"}},
        replace={"name": "other", "secret": "second-secret"},
        drift=_behind(lambda: server.admin.user_disable("life")),
        drifted={"disableUser"},
        vanish=_behind(lambda: server.admin.user_remove("life")),
        unimportable={"secret"},
    )


def _behind(change: Callable[[], Any]) -> Callable[[Resource], None]:
    def made(resource: Resource) -> None:
        change()

    return made


@pytest.mark.parametrize("case", [_bucket, _versioning, _iam_policy, _user], ids=lambda case: case.__name__.strip("_"))
def test_life(case: Callable[[Server], Case], plugin: Plugin, server: Server):
    with server.calls():
        server.s3.list_buckets()  # the provider waits for the server to be ready
    live(plugin, case(server))


def test_an_attachments_life(plugin: Plugin, server: Server):
    plugin.create(USER, {"name": "attached", "secret": "any-secret"})
    for name in ("one", "two"):
        plugin.create(POLICY, {"name": name, "policy": _policy("s3:GetObject")})
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


def test_every_type_has_a_life_here():
    assert set(PROVIDER.types) == {BUCKET, VERSIONING, POLICY, USER, ATTACHMENT}


def test_ids_inputs_and_outputs_are_those_of_the_official_plugin(plugin: Plugin, config: dict[str, Any]):
    bucket = plugin.create(BUCKET, {"acl": "private", "bucket": "mlflow", "forceDestroy": False})
    versioning = plugin.create(VERSIONING, {"bucket": "mlflow", "versioningConfiguration": {"status": "Enabled"}})
    text = _policy("s3:GetObject", bucket="mlflow", indent=1)
    policy = plugin.create(POLICY, {"name": "team-a", "policy": text})
    user = plugin.create(USER, {"name": "mlflow-server", "secret": "mlflow-server-secret"})
    attachment = plugin.create(ATTACHMENT, {"policyName": "team-a", "userName": "mlflow-server"})

    assert bucket.inputs == {"acl": "private", "bucket": "mlflow", "forceDestroy": False}
    assert bucket.outputs == {
        "acl": "private",
        "arn": "arn:aws:s3:::mlflow",
        "bucket": "mlflow",
        "bucketDomainName": f"http://{config['minioServer']}/minio/mlflow",
        "bucketPrefix": None,
        "forceDestroy": False,
        "id": "mlflow",
        "objectLocking": False,
        "quota": None,
    }
    assert versioning.outputs == {
        "bucket": "mlflow",
        "id": "mlflow",
        "versioningConfiguration": {"excludeFolders": False, "excludedPrefixes": [], "status": "Enabled"},
    }
    assert policy.outputs == {"id": "team-a", "name": "team-a", "namePrefix": None, "policy": text}
    assert user.inputs == {"name": "mlflow-server", "secret": "mlflow-server-secret"}
    assert user.outputs == {
        "disableUser": False,
        "forceDestroy": False,
        "id": "mlflow-server",
        "name": "mlflow-server",
        "secret": "mlflow-server-secret",
        "status": "enabled",
        "tags": None,
        "updateSecret": False,
    }
    assert user.secrets == {"secret"}
    assert attachment.outputs == {"id": attachment.id, "policyName": "team-a", "userName": "mlflow-server"}
    for made in (attachment, user, policy, versioning, bucket):
        plugin.delete(made)


def test_a_user_may_do_what_its_policy_says_and_no_more(plugin: Plugin, config: dict[str, Any], server: Server):
    plugin.create(BUCKET, {"bucket": "mine", "forceDestroy": True})
    plugin.create(BUCKET, {"bucket": "theirs"})
    plugin.create(POLICY, {"name": "mine", "policy": _policy("s3:PutObject", bucket="mine")})
    made = plugin.create(USER, {"name": "worker", "secret": "worker-secret"})
    plugin.create(ATTACHMENT, {"userName": "worker", "policyName": "mine"})

    worker = Minio(config["minioServer"], "worker", "worker-secret", secure=False, region="us-east-1")
    worker.put_object("mine", "a", io.BytesIO(b"x"), 1)
    with pytest.raises(S3Error, match="AccessDenied"):
        worker.put_object("theirs", "a", io.BytesIO(b"x"), 1)

    plugin.update(made, {"name": "worker", "secret": "worker-secret", "disableUser": True})
    with pytest.raises(S3Error):
        worker.put_object("mine", "a", io.BytesIO(b"x"), 1)


def test_a_full_bucket_is_removed_only_by_force(plugin: Plugin, server: Server):
    inputs = {"bucket": "full"}
    made = plugin.create(BUCKET, inputs)
    plugin.create(VERSIONING, {**inputs, "versioningConfiguration": {"status": "Enabled"}})
    for content in (b"x", b"y"):
        server.s3.put_object("full", "a", io.BytesIO(content), 1)
    server.s3.remove_object("full", "a")
    with pytest.raises(Refused, match="not empty"):
        plugin.delete(made)
    plugin.delete(plugin.update(made, {**inputs, "forceDestroy": True}))
    assert plugin.refresh(made) is None


def test_policies_for_one_user_attached_at_the_same_time_all_stay(plugin: Plugin, server: Server):
    plugin.create(USER, {"name": "many", "secret": "many-secret"})
    names = [f"many{number}" for number in range(6)]
    for name in names:
        plugin.create(POLICY, {"name": name, "policy": _policy("s3:GetObject")})
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


def test_a_bucket_that_is_there_is_not_taken_over(plugin: Plugin, server: Server):
    server.s3.make_bucket("taken")
    with pytest.raises(Refused, match="there is a bucket taken already; import it"):
        plugin.create(BUCKET, {"bucket": "taken"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (_policy("s3:GetObject", "s3:PutObject"), _policy("s3:PutObject", "s3:GetObject", indent=4), True),
        (_policy("s3:GetObject"), _policy("s3:GetObject").replace('["s3:GetObject"]', '"s3:GetObject"'), True),
        (_policy("s3:GetObject"), _policy("s3:GetObject").replace("{", '{"ID": "", ', 1), True),
        (_policy("s3:GetObject"), _policy("s3:PutObject"), False),
        (_policy("s3:GetObject"), _policy("s3:GetObject", bucket="other"), False),
        (_policy("s3:GetObject"), _policy("s3:GetObject").replace("Allow", "Deny"), False),
        (_policy("s3:GetObject"), "no JSON", False),
    ],
)
def test_policies_are_compared_by_what_they_mean(one: str, other: str, same: bool):
    assert equivalent(one, other) is same


def test_another_layout_of_a_policy_is_no_change(plugin: Plugin):
    made = plugin.create(POLICY, {"name": "layout", "policy": _policy("s3:GetObject", "s3:PutObject")})
    assert (
        plugin.diff(made, {"name": "layout", "policy": _policy("s3:PutObject", "s3:GetObject", indent=2)}).paths == {}
    )


@pytest.mark.parametrize(
    ("token", "inputs", "reason"),
    [
        (BUCKET, {"bucket": "b", "acl": "public-read"}, "only 'private' buckets"),
        (BUCKET, {"bucket": "b", "bucketPrefix": "c"}, "not both"),
        (VERSIONING, {"bucket": "b", "versioningConfiguration": {"status": "On"}}, "'Enabled' or 'Suspended'"),
        (POLICY, {"name": "p", "policy": "{"}, "the policy is no JSON"),
        (USER, {"name": "u", "secretWo": "x"}, "no input 'secretWo'"),
    ],
)
def test_what_the_offline_provider_cannot_do_is_refused(plugin: Plugin, token: str, inputs: Any, reason: str):
    with pytest.raises(Refused, match=reason):
        plugin.check(token, inputs)


def test_no_error_tells_a_secret(plugin: Plugin):
    with pytest.raises(Refused) as refused:
        plugin.create(USER, {"name": "short", "secret": "hush"})  # MinIO wants eight characters
    assert "hush" not in str(refused.value)


def test_a_server_that_is_not_there_is_named(config: dict[str, Any]):
    absent = Plugin(copy.copy(PROVIDER), {**config, "minioServer": "127.0.0.1:1"})
    with pytest.raises(Refused, match="http://127.0.0.1:1 cannot be reached"):
        absent.create(BUCKET, {"bucket": "nowhere"})


def test_a_stack_under_the_real_cli(pulumi_stack: Callable[..., Stack], config: dict[str, Any], server: Server):
    def program() -> None:
        provider = minio.Provider(
            "server",
            minio_server=config["minioServer"],
            minio_user="root",
            minio_password=pulumi.Output.secret(config["minioPassword"]),
            minio_ssl=False,
            minio_region="us-east-1",
        )
        opts = pulumi.ResourceOptions(provider=provider)
        bucket = minio.S3Bucket("data", bucket="stack-data", opts=opts)
        minio.S3BucketVersioning(
            "data", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=opts
        )
        policy = minio.IamPolicy(
            "data",
            policy=bucket.bucket.apply(lambda name: _policy("s3:GetObject", "s3:PutObject", bucket=name)),
            opts=opts,
        )
        user = minio.IamUser("worker", secret=pulumi.Output.secret("hush-hush"), opts=opts)
        minio.IamUserPolicyAttachment("worker", user_name=user.name, policy_name=policy.name, opts=opts)

    stack = pulumi_stack(program)
    assert stack.preview()["create"] == 7
    assert stack.up()["create"] == 7
    assert stack.up() == {"same": 7}
    assert stack.refresh() == {"same": 7}
    assert stack.preview() == {"same": 7}
    assert "hush-hush" not in stack.state_file()
    assert config["minioPassword"] not in stack.state_file()
