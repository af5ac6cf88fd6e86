"""The provider as a whole: what is its own is the official plugin's, what it cannot do is refused."""

import copy
from typing import Any

import pytest

from offline.providers.minio import PROVIDER

from ..harness import Plugin, Refused
from .inputs import ATTACHMENT, BUCKET, LIFECYCLE, POLICY, USER, VERSIONING, document


def test_every_type_has_a_life_here():
    assert set(PROVIDER.types) == {BUCKET, VERSIONING, LIFECYCLE, POLICY, USER, ATTACHMENT}


def test_ids_inputs_and_outputs_are_those_of_the_official_plugin(plugin: Plugin, config: dict[str, Any]):
    bucket = plugin.create(BUCKET, {"acl": "private", "bucket": "mlflow", "forceDestroy": False})
    versioning = plugin.create(VERSIONING, {"bucket": "mlflow", "versioningConfiguration": {"status": "Enabled"}})
    text = document("s3:GetObject", bucket="mlflow", indent=1)
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
