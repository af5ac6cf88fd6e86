"""What was published against MinIO, tried on the server by its own port and through the gateway."""

import base64
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException

from tests.e2e.conftest import Platform
from tests.e2e.s3.signing import CONTENT, UNSIGNED, UNSIGNED_TRAILER, V4, Door, Keys, Request, hmac_token
from tests.e2e.s3.target import Canary, Target

pytestmark = pytest.mark.e2e

_SUM = base64.b64encode(zlib.crc32(b"forged").to_bytes(4, "big"))
_CHUNKS = b"6\r\nforged\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % _SUM
_STREAM = (
    (CONTENT, UNSIGNED_TRAILER),
    ("x-amz-decoded-content-length", "6"),
    ("Content-Encoding", "aws-chunked"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
)


def _query_of(keys: Keys, door: Door) -> tuple[tuple[str, str], ...]:
    """A query that names a key and signs nothing."""
    link = V4(Keys(keys.access, "unknown"), door).presigned(Request("PUT", "/"), 3600)
    return (*link.query[:-1], ("X-Amz-Signature", "0" * 64))


@pytest.mark.parametrize("whose", ["root", "service"])
@pytest.mark.parametrize("part", [False, True], ids=["object", "part"])
@pytest.mark.parametrize(
    "headers",
    [
        _STREAM,
        (*_STREAM, ("Authorization", "")),
        (*_STREAM, ("Authorization", "AWS4-HMAC-SHA256")),
        tuple((name.upper(), value.lower()) for name, value in _STREAM),
        tuple((name.title(), value) for name, value in _STREAM),
        ((CONTENT, UNSIGNED), *_STREAM),
        (*_STREAM, (CONTENT, UNSIGNED)),
    ],
    ids=["plain", "empty header", "half a header", "other case", "title case", "doubled before", "doubled after"],
)
def test_a_keys_name_is_not_enough_to_write_cve_2026_41145(
    target: Target, canary: Canary, door: Door, whose: str, part: bool, headers: tuple[tuple[str, str], ...]
):
    query = _query_of(getattr(target, whose), door)
    path = f"/{door.bucket}/{canary.prefix}/forged"
    if part:
        query, path = (("partNumber", "1"), ("uploadId", canary.upload), *query), f"/{door.bucket}/{canary.key}"
    before = target.contents()
    status, said = door.send(Request("PUT", path, query, headers, _CHUNKS))
    assert 400 <= status < 500, said
    assert target.contents() == before
    parts = target.s3.list_parts(Bucket=door.bucket, Key=canary.key, UploadId=canary.upload)
    assert "Parts" not in parts


def test_the_forged_upload_is_forbidden_in_so_many_words(target: Target, canary: Canary, door: Door):
    request = Request("PUT", f"/{door.bucket}/{canary.prefix}/forged", _query_of(target.root, door), _STREAM, _CHUNKS)
    status, said = door.send(request)
    assert (status, b"<Code>AccessDenied</Code>" in said) == (403, True)


def test_a_made_up_signature_of_a_stream_is_none_cve_2025_31489(target: Target, canary: Canary, door: Door):
    keys = Keys(target.root.access, "unknown")
    request = Request("PUT", f"/{door.bucket}/{canary.prefix}/forged", body=b"forged")
    status, said = door.send(V4(keys, door).chunked(request, UNSIGNED_TRAILER))
    assert (status, b"SignatureDoesNotMatch" in said) == (403, True)
    assert f"{canary.prefix}/forged" not in target.names()


def test_a_stream_whose_body_nobody_signed_cannot_be_sent_again_later(target: Target, canary: Canary, door: Door):
    """Its date was the only one that nobody looked at."""
    target.needs_our_patches()
    earlier = V4(target.service, door, datetime.now(UTC) - timedelta(minutes=20))
    request = Request("PUT", f"/{door.bucket}/{canary.prefix}/replayed", body=b"forged")
    status, said = door.send(earlier.chunked(request, UNSIGNED_TRAILER))
    assert (status, b"RequestTimeTooSkewed" in said) == (403, True)
    assert f"{canary.prefix}/replayed" not in target.names()


def _archive() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("extracted")
        entry.size = 6
        archive.addfile(entry, io.BytesIO(b"forged"))
    return file.getvalue()


@pytest.mark.parametrize("signed_by", ["nobody", "the query", "the service"])
def test_no_archive_is_extracted_cve_2026_40344(target: Target, canary: Canary, door: Door, signed_by: str):
    snowball = (
        ("X-Amz-Meta-Snowball-Auto-Extract", "true"),
        ("X-Amz-Meta-Minio-Snowball-Prefix", canary.prefix),
        ("X-Amz-Meta-Minio-Snowball-Ignore-Errors", "true"),
    )
    request = Request("PUT", f"/{door.bucket}/{canary.prefix}/archive.tar", headers=snowball, body=_archive())
    before = target.contents()
    if signed_by == "the query":
        sent = request.with_query(*_query_of(target.root, door)).with_headers(*_STREAM)
    elif signed_by == "nobody":
        sent = V4(Keys(target.root.access, "unknown"), door).chunked(request, UNSIGNED_TRAILER)
    else:
        sent = V4(target.service, door).header(request)
    status, said = door.send(sent)
    assert status in (400, 403, 501), said
    assert target.contents() == before


_SEALED = {
    "X-Minio-Replication-Server-Side-Encryption-Sealed-Key": base64.b64encode(b"k" * 64).decode(),
    "X-Minio-Replication-Server-Side-Encryption-Seal-Algorithm": "DAREv2-HMAC-SHA256",
    "X-Minio-Replication-Server-Side-Encryption-Iv": base64.b64encode(b"i" * 32).decode(),
    "X-Minio-Replication-Actual-Object-Size": "6",
    "X-Minio-Source-Mtime": "2001-01-01T00:00:00Z",
    "X-Minio-Source-Etag": "0" * 32,
    "X-Minio-Source-Replication-Request": "true",
}


@pytest.mark.parametrize("where", ["headers", "lower case", "query", "unsigned headers"])
def test_no_client_passes_for_a_replicating_server_cve_2026_34204(
    target: Target, canary: Canary, door: Door, where: str
):
    """Whatever is let in is an object like any other: of now, with its own tag, and readable."""
    key = f"{canary.prefix}/replicated-{where.replace(' ', '-')}"
    request, sealed = Request("PUT", f"/{door.bucket}/{key}", body=b"honest"), tuple(_SEALED.items())
    signer = V4(target.service, door)
    if where == "query":
        sent = signer.header(request.with_query(*sealed))
    elif where == "unsigned headers":
        sent = signer.header(request).with_headers(*sealed)
    else:
        pairs = sealed if where == "headers" else tuple((name.lower(), value) for name, value in sealed)
        sent = signer.header(request.with_headers(*pairs))
    status, said = door.send(sent)
    through_the_gateway = door is target.doors["gateway"]
    assert (status == 403) if through_the_gateway else (status < 500), said
    if status == 200:
        found = target.s3.get_object(Bucket=door.bucket, Key=key)
        assert found["Body"].read() == b"honest"
        assert found["ETag"] != f'"{"0" * 32}"'
        assert datetime.now(UTC) - found["LastModified"] < timedelta(minutes=5)
        assert "ServerSideEncryption" not in found
    else:
        assert key not in target.names()


def test_internal_metadata_is_refused_whatever_stands_beside_it(target: Target, canary: Canary, door: Door):
    request = Request("PUT", f"/{door.bucket}/{canary.prefix}/internal", body=b"x").with_headers(
        ("X-Minio-Internal-Server-Side-Encryption-Iv", "aaaa"),
        ("X-Minio-Internal-Compression", "klauspost/compress/s2"),
    )
    status, said = door.send(V4(target.service, door).header(request))
    assert 400 <= status < 500, said
    assert f"{canary.prefix}/internal" not in target.names()


def test_nobody_selects_cve_2026_39414(target: Target, canary: Canary, door: Door):
    select = b"""<SelectObjectContentRequest><Expression>SELECT * FROM S3Object</Expression>
        <ExpressionType>SQL</ExpressionType><InputSerialization><CSV/></InputSerialization>
        <OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"""
    for query in ((("select", ""), ("select-type", "2")), (("select-type", "2"), ("select", ""))):
        request = Request("POST", f"/{door.bucket}/{canary.key}", query, body=select)
        status, said = door.send(V4(target.service, door).header(request))
        assert status in (403, 501), said
        assert canary.secret.encode() not in said


def test_a_link_to_upload_reads_nothing_cve_2026_97731(target: Target, canary: Canary, door: Door):
    """A copy source beside a presigned upload would make it a copy with the signer's rights."""
    stolen = f"{canary.prefix}/stolen"
    link = V4(target.service, door).presigned(Request("PUT", f"/{door.bucket}/{stolen}"))
    for name in ("x-amz-copy-source", "X-AMZ-Copy-Source"):
        status, said = door.send(link.with_headers((name, f"/{door.bucket}/{canary.key}")))
        assert (status, stolen in target.names()) == (403, False), said
    assert door.send(link)[0] == 200
    target.needs_our_patches()
    for extra in (("x-amz-tagging", "a=b"), ("x-amz-acl", "public-read"), ("x-amz-meta-x", "y")):
        assert door.send(link.with_headers(extra))[0] == 403


def test_the_body_of_a_link_is_the_one_that_was_signed(target: Target, door: Door):
    """The hash in a header counts like one in the query."""
    target.needs_our_patches()
    link = V4(target.root, door).presigned(Request("PUT", f"/{door.bucket}", (("policy", ""),)))
    status, said = door.send(
        Request("PUT", link.path, link.query, ((CONTENT, "0" * 64),), b'{"Version":"2012-10-17","Statement":[]}')
    )
    assert status >= 400, said


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ((("Prefix", "mine/"),), ()),
        ((("prefix", "mine/"),), (("prefix", ""),)),
        ((), (("Prefix", "mine/"),)),
        ((), (("Prefix", "mine/"), ("prefix", "yours/"))),
        ((), (("prefix", "yours/"), ("PREFIX", "mine/"))),
    ],
)
def test_who_is_held_to_a_folder_lists_no_other_by_another_spelling(
    target: Target, door: Door, headers: tuple[tuple[str, str], ...], query: tuple[tuple[str, str], ...]
):
    """A policy's condition is about the query's `prefix`, and about nothing that is spelled alike."""
    if door is target.doors["server"]:
        target.needs_our_patches()
    listing, bucket = (("list-type", "2"),), f"/{door.bucket}"
    with _held_to_a_folder(target) as keys:
        signer = V4(keys, door)
        assert door.send(signer.header(Request("GET", bucket, (*listing, ("prefix", "mine/")))))[0] == 200
        for request in (
            signer.header(Request("GET", bucket, listing + query)).with_headers(*headers),
            signer.header(Request("GET", bucket, listing + query, headers)),
        ):
            status, said = door.send(request)
            assert status in (400, 403), said  # 400 where the gateway dropped a header that was signed


@contextmanager
def _held_to_a_folder(target: Target) -> Iterator[Keys]:
    """A user who may list what begins with `mine/`."""
    door, administrator = target.doors["server"], _administrator(target.doors["server"], target.root)
    keys = Keys("held-to-a-folder", "h" * 32)
    only = {"Action": ["s3:ListBucket"], "Condition": {"StringLike": {"s3:prefix": ["mine/*"]}}}
    statement = {"Effect": "Allow", "Resource": [f"arn:aws:s3:::{door.bucket}"], **only}
    administrator.policy_add(keys.access, policy={"Version": "2012-10-17", "Statement": [statement]})
    administrator.user_add(keys.access, keys.secret)
    try:
        administrator.attach_policy([keys.access], user=keys.access)
        yield keys
    finally:
        administrator.user_remove(keys.access)
        administrator.policy_remove(keys.access)


def test_one_request_has_one_signature(target: Target, door: Door):
    """Else the one could be verified, and the other believed."""
    signer = V4(target.service, door)
    both = signer.header(Request("GET", f"/{door.bucket}", _query_of(target.root, door)))
    assert door.send(both)[0] in (400, 403)


def test_a_key_gives_itself_no_more_than_it_has_cve_2025_62506(target: Target):
    """Neither an account with an inline policy nor one that it makes reaches beyond that policy."""
    door = target.doors["server"]
    by_root = _administrator(door, target.root)
    only = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{door.bucket}/only/*"]}
    policy = {"Version": "2012-10-17", "Statement": [only]}
    made = json.loads(by_root.add_service_account(access_key="narrow-account", secret_key="n" * 32, policy=policy))
    keys = Keys(made["credentials"]["accessKey"], "n" * 32)
    try:
        with pytest.raises(MinioAdminException):
            _administrator(door, keys).add_service_account(access_key="wide-account", secret_key="w" * 32)
        status, _ = door.send(V4(keys, door).header(Request("GET", f"/{door.bucket}")))
        assert status == 403
    finally:
        by_root.delete_service_account("narrow-account")


def _administrator(door: Door, keys: Keys) -> MinioAdmin:
    return MinioAdmin(endpoint=door.host, credentials=StaticProvider(keys.access, keys.secret), secure=False)


def test_there_is_no_login_by_directory_to_guess_names_at_cve_2026_33419(target: Target, door: Door):
    said = {
        _sts(door, Action="AssumeRoleWithLDAPIdentity", LDAPUsername=name, LDAPPassword="guess")
        for name in ("dev", "x")
    }
    assert len(said) == 1
    assert said.pop()[0] >= 400


def _sts(door: Door, **form: str) -> tuple[int, str]:
    """What STS answers, without the number that each answer has."""
    body = urlencode({"Version": "2011-06-15", **form}).encode()
    headers = (("Content-Type", "application/x-www-form-urlencoded"),)
    status, said = door.send(Request("POST", "/", headers=headers, body=body))
    return status, said.decode().partition("<RequestId>")[0]


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "none"])
def test_a_token_signed_with_the_clients_secret_is_no_token_cve_2026_33322(platform: Platform, algorithm: str):
    """Even for whoever has read that secret."""
    secret = next(
        line.partition("=")[2]
        for line in platform.stack.run("minio-1", ["cat", "/run/secrets/minio.env"]).splitlines()
        if line.startswith("MINIO_IDENTITY_OPENID_CLIENT_SECRET")
    )
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": platform.outputs["oidc_issuer_url"], "aud": "minio", "azp": "minio", "sub": "me"}
    claims |= {"exp": now + 600, "iat": now, "policy": ["consoleAdmin"]}
    token = hmac_token({"alg": algorithm, "typ": "JWT", "kid": "minio"}, claims, secret)
    for port in ("admin_minio", "s3"):
        door = Door(platform.stack.ports[port], platform.outputs["artifact_bucket"])
        status, said = _sts(door, Action="AssumeRoleWithWebIdentity", WebIdentityToken=token)
        assert status >= 400
        assert "<AccessKeyId>" not in said
