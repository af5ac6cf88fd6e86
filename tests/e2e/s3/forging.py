"""Requests of every kind, signed in every way, and every way to spoil that."""

from collections.abc import Callable
from dataclasses import replace

from tests.e2e.s3.signing import (
    NOTHING,
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED,
    UNSIGNED_TRAILER,
    V2,
    V4,
    Door,
    Keys,
    Request,
)
from tests.e2e.s3.target import Canary

# Every way to sign a request: what is made of it, with whose keys, at which door.
WAYS: dict[str, Callable[[Request, Keys, Door], Request]] = {
    "V4 header": lambda request, keys, door: V4(keys, door).header(request),
    "V4 header, unsigned body": lambda request, keys, door: V4(keys, door).header(request, UNSIGNED),
    "V4 link": lambda request, keys, door: V4(keys, door).presigned(request),
    "V2 header": lambda request, keys, door: V2(keys).header(request),
    "V2 link": lambda request, keys, door: V2(keys).presigned(request),
    "signed chunks": lambda request, keys, door: V4(keys, door).chunked(request, SIGNED),
    "signed chunks and trailer": lambda request, keys, door: V4(keys, door).chunked(request, SIGNED_TRAILER),
    "unsigned chunks and trailer": lambda request, keys, door: V4(keys, door).chunked(request, UNSIGNED_TRAILER),
}
BODY_HASHES = [
    UNSIGNED,
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED_TRAILER,
    NOTHING,
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "",
]


def requests(canary: Canary, door: Door) -> dict[str, Request]:
    """One of every kind that would do something."""
    bucket, key = f"/{door.bucket}", f"/{door.bucket}/{canary.key}"
    new, part = f"/{door.bucket}/{canary.prefix}/new", (("partNumber", "1"), ("uploadId", canary.upload))
    everything = f"<Delete><Object><Key>{canary.key}</Key></Object></Delete>".encode()
    complete = b"<CompleteMultipartUpload></CompleteMultipartUpload>"
    copy = (("x-amz-copy-source", key),)
    return {
        "put": Request("PUT", new, body=b"forged"),
        "overwrite": Request("PUT", key, body=b"forged"),
        "get": Request("GET", key),
        "head": Request("HEAD", key),
        "delete": Request("DELETE", key),
        "list": Request("GET", bucket, query=(("list-type", "2"),)),
        "list versions": Request("GET", bucket, query=(("versions", ""),)),
        "buckets": Request("GET", "/"),
        "copy": Request("PUT", new, headers=copy),
        "start an upload": Request("POST", new, query=(("uploads", ""),)),
        "put a part": Request("PUT", key, query=part, body=b"forged"),
        "copy a part": Request("PUT", key, query=part, headers=copy),
        "complete": Request("POST", key, query=part[1:], body=complete),
        "abort": Request("DELETE", key, query=part[1:]),
        "delete several": Request("POST", bucket, query=(("delete", ""),), body=everything),
        "make a bucket": Request("PUT", f"/made-{canary.prefix}"),
        "set a policy": Request("PUT", bucket, query=(("policy", ""),), body=b"{}"),
        "read tags": Request("GET", key, query=(("tagging", ""),)),
        "attributes": Request("GET", key, query=(("attributes", ""),)),
    }


def _spoilt(request: Request, change: Callable[[str], str]) -> Request:
    """The signature itself, wherever it is."""

    def of(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple(
            (name, change(value) if name in ("X-Amz-Signature", "Signature") else value) for name, value in pairs
        )

    headers = tuple(
        (name, _after_the_last(value, change) if name == "Authorization" else value) for name, value in request.headers
    )
    return replace(request, query=of(request.query), headers=headers)


def _after_the_last(authorization: str, change: Callable[[str], str]) -> str:
    mark = "Signature=" if "Signature=" in authorization else ":"
    before, mark, signature = authorization.rpartition(mark)
    return f"{before}{mark}{change(signature)}"


def _moved_to_the_query(request: Request) -> Request:
    """The header's credential in the query, as CVE-2026-41145 has it, and no header."""
    headers = dict(request.headers)
    authorization = headers.get("Authorization", "")
    if "Credential=" not in authorization:
        return _without(request)
    credential = authorization.partition("Credential=")[2].partition(",")[0]
    forged = (
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", headers["x-amz-date"]),
        ("X-Amz-Expires", "3600"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "0" * 64),
    )
    kept = tuple(pair for pair in request.headers if pair[0] not in ("Authorization", "x-amz-date"))
    return replace(request, query=request.query + forged, headers=kept)


def _by_another_algorithm(request: Request) -> Request:
    """One that is weak, or none."""
    spoilt = _spoilt(request, lambda _: "0" * 64)
    return replace(
        spoilt,
        headers=tuple((name, value.replace("HMAC-SHA256", "HMAC-SHA1")) for name, value in spoilt.headers),
        query=tuple((name, value.replace("HMAC-SHA256", "NONE")) for name, value in spoilt.query),
    )


def _without(request: Request) -> Request:
    """No signature at all."""
    gone = ("X-Amz-Signature", "Signature", "Authorization", "X-Amz-Credential", "AWSAccessKeyId")
    return replace(
        request,
        query=tuple(pair for pair in request.query if pair[0] not in gone),
        headers=tuple(pair for pair in request.headers if pair[0] not in gone),
    )


# Each leaves a request that nobody has signed.
FORGERIES: dict[str, Callable[[Request], Request]] = {
    "a signature of zeros": lambda it: _spoilt(it, lambda signature: "0" * len(signature)),
    "no signature in its place": lambda it: _spoilt(it, lambda _: ""),
    "half a signature": lambda it: _spoilt(it, lambda signature: signature[: len(signature) // 2]),
    "another first character": lambda it: _spoilt(
        it, lambda signature: ("0" if signature[0] != "0" else "1") + signature[1:]
    ),
    "no signature": _without,
    "the credential in the query": _moved_to_the_query,
    "a session token of nobody": lambda it: _spoilt(it, lambda _: "0" * 64).with_headers(
        ("x-amz-security-token", "e30")
    ),
    "another algorithm": _by_another_algorithm,
}
# What may stand beside it.
EXTRAS = [
    ("Authorization", ""),
    ("Authorization", "Bearer e30.e30.e30"),
    ("X-Amz-Meta-Snowball-Auto-Extract", "true"),
    ("X-Minio-Source-Replication-Request", "true"),
    ("X-Minio-Extract", "true"),
    ("x-amz-decoded-content-length", "6"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
    ("Content-Encoding", "aws-chunked"),
    ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("X-Forwarded-For", "127.0.0.1"),
]
