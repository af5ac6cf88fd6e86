"""What MinIO lets everybody do who is not denied it, asked of a real one by users that have our policies."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException

from components.policies import backup_policy, team_policy, tracking_policy
from offline.providers.minio.server import Server

BUCKET = "of-policies"
HOUR = 3600
POLICIES: dict[str, str] = {
    "mlflow": tracking_policy(BUCKET),
    "backup": backup_policy(BUCKET),
    "people": team_policy(BUCKET, [], [""], HOUR),
}


@dataclass(frozen=True)
class User:
    """One of MinIO's own, and what he can ask it."""

    server: Server
    name: str
    secret: str
    token: str | None = None

    @property
    def admin(self) -> MinioAdmin:
        by = StaticProvider(self.name, self.secret, self.token)
        return MinioAdmin(endpoint=self.server.endpoint, credentials=by, region=self.server.region, secure=False)

    def client(self, kind: str) -> Any:
        return boto3.client(
            kind,
            endpoint_url=self.server.url,
            region_name=self.server.region,
            aws_access_key_id=self.name,
            aws_secret_access_key=self.secret,
            aws_session_token=self.token,
        )

    @property
    def s3(self) -> BaseClient:
        return self.client("s3")

    def by_sts(self) -> "User":
        asked = {"RoleArn": "arn:x:ignored:by:minio:1", "RoleSessionName": "any", "DurationSeconds": 24 * HOUR}
        given = self.client("sts").assume_role(**asked)["Credentials"]
        return User(self.server, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


@pytest.fixture
def user(server: Server) -> Iterator[Callable[[str], User]]:
    """Makes users who have a policy."""
    if not server.s3.bucket_exists(BUCKET):
        server.s3.make_bucket(BUCKET)
    made: list[str] = []

    def make(policy: str) -> User:
        name = f"user-{secrets.token_hex(4)}"
        made.append(name)
        server.admin.policy_add(name, policy=json.loads(policy))
        server.admin.user_add(name, "the-first-secret")
        server.admin.attach_policy([name], user=name)
        return User(server, name, "the-first-secret")

    yield make
    for name in made:
        server.admin.user_remove(name)
        server.admin.policy_remove(name)


@pytest.mark.parametrize("policy", POLICIES)
def test_nobody_sets_his_own_secret_or_makes_keys(policy: str, user: Callable[[str], User]):
    who = user(POLICIES[policy])
    for attack in (
        lambda: who.admin.user_add(who.name, "a-stolen-secret"),
        lambda: who.admin.add_service_account(access_key=f"{who.name}-own", secret_key="a-stolen-secret"),
    ):
        with pytest.raises(MinioAdminException, match="AccessDenied"):
            attack()
    who.s3.list_objects_v2(Bucket=BUCKET)  # by the secret that he had


def test_without_our_denial_he_would(user: Callable[[str], User]):
    statements = json.loads(POLICIES["mlflow"])["Statement"]
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    who = user(json.dumps({"Version": "2012-10-17", "Statement": allowed}))
    derived = who.by_sts()
    who.admin.user_add(who.name, "a-stolen-secret")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        who.s3.list_objects_v2(Bucket=BUCKET)
    User(who.server, who.name, "a-stolen-secret").s3.list_objects_v2(Bucket=BUCKET)
    derived.s3.list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize("policy", ["mlflow", "backup"])
def test_what_a_service_gets_from_sts_is_worth_nothing(policy: str, user: Callable[[str], User]):
    """It would last for a year, whatever becomes of the secret."""
    who = user(POLICIES[policy])
    who.s3.list_objects_v2(Bucket=BUCKET)
    derived = who.by_sts()
    for attack in (
        lambda: derived.s3.list_objects_v2(Bucket=BUCKET),
        lambda: derived.s3.get_object(Bucket=BUCKET, Key="a"),
        lambda: derived.s3.put_object(Bucket=BUCKET, Key="a", Body=b""),
        lambda: derived.s3.list_buckets(),
    ):
        try:
            assert not attack().get("Buckets", ["something"])
        except ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied"
    with pytest.raises(MinioAdminException, match="Status: 403|AccessDenied"):
        derived.admin.user_add(derived.name, "a-stolen-secret")


def test_people_work_by_what_sts_gave_them_and_make_no_keys_of_it(user: Callable[[str], User]):
    person = user(POLICIES["people"]).by_sts()
    person.s3.list_objects_v2(Bucket=BUCKET)
    for attack in (
        lambda: person.admin.user_add(person.name, "a-stolen-secret"),
        lambda: person.admin.add_service_account(access_key="of-a-person", secret_key="a-stolen-secret"),
        lambda: person.by_sts(),
    ):
        with pytest.raises((MinioAdminException, ClientError), match="Status: 403|AccessDenied"):
            attack()
