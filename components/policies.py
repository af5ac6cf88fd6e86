"""MinIO policy documents: who may do what in the artifact bucket."""

import json
from collections.abc import Sequence
from typing import Any

_READ = ["s3:GetObject", "s3:GetObjectTagging"]  # the second for aws 2, which copies large objects with their tags
_WRITE = ["s3:AbortMultipartUpload", "s3:DeleteObject", *_READ, "s3:ListMultipartUploadParts", "s3:PutObject"]
EVERYTHING = ("",)
"""What every key begins with."""

# MinIO lets everybody make access keys for himself that never end, and every user of its own set his own secret and
# disable himself, unless a policy denies it.
_NO_KEYS = {
    "Effect": "Deny",
    "Action": ["admin:CreateServiceAccount", "admin:UpdateServiceAccount", "admin:CreateUser"],
}
# Its own users get credentials of up to a year from STS, which a new secret does not end; no policy is asked for them
# (`AssumeRole`), so they are worth nothing. People have no others.
_NOTHING_BY_STS = {
    "Effect": "Deny",
    "Action": ["s3:*"],
    "Resource": ["arn:aws:s3:::*"],
    "Condition": {"StringEquals": {"aws:principaltype": ["AssumedRole"]}},
}


def team_policy(bucket: str, reads: Sequence[str], writes: Sequence[str], longest_seconds: int) -> str:
    """A bucket's policy for people, who get no credentials that last longer, whatever they ask STS for.

    By itself MinIO gives a year's (`DurationSeconds`), and they would outlive the token and the membership in the team.
    """
    longer = {
        "Effect": "Deny",
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"NumericGreaterThan": {"sts:DurationSeconds": [longest_seconds]}},
    }
    return _document([*_bucket_statements(bucket, reads, writes), longer])


def tracking_policy(bucket: str) -> str:
    """A policy as JSON for MLflow's own user, who reads what pages show and removes what was deleted long ago."""
    return _document([*_bucket_statements(bucket, writes=EVERYTHING), _NOTHING_BY_STS])


def backup_policy(bucket: str) -> str:
    """A policy as JSON for whoever copies the bucket: everything to read, and to be told of each change."""
    arn = f"arn:aws:s3:::{bucket}"
    listening = {"Effect": "Allow", "Action": ["s3:ListenBucketNotification"], "Resource": [arn]}
    return _document([*_bucket_statements(bucket, reads=EVERYTHING), listening, _NOTHING_BY_STS])


def _bucket_statements(bucket: str, reads: Sequence[str] = (), writes: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What allows to read, or also to write, objects whose keys begin so.

    Keys and lists are in a fixed order, so that the same rights are the same text.
    """
    arn = f"arn:aws:s3:::{bucket}"
    begins = {*reads, *writes}
    about = ["s3:GetBucketLocation", *(["s3:ListBucketMultipartUploads"] if writes else [])]
    listing: dict[str, Any] = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]}
    if "" not in begins:
        listing["Condition"] = {"StringLike": {"s3:prefix": sorted(f"{begin}*" for begin in begins)}}
    objects = [
        {"Effect": "Allow", "Action": actions, "Resource": sorted({f"{arn}/{begin}*" for begin in those})}
        for actions, those in ((_READ, reads), (_WRITE, writes))
        if those
    ]
    # What a team overwrites or deletes stays recoverable by an administrator. Leaving the action out is not enough:
    # MinIO lets whoever may delete an object delete a version of it for good, unless that is denied.
    versions = {"Effect": "Deny", "Action": ["s3:DeleteObjectVersion"], "Resource": [f"{arn}/*"]}
    return [{"Effect": "Allow", "Action": about, "Resource": [arn]}, listing, *objects, versions, _NO_KEYS]


def _document(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
