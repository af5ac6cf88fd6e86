"""S3's signatures by hand, so that each of their fields can be forged: a client library would put it right again.

Sources: AWS's "Authenticating Requests (Signature Version 4)", its pages on aws-chunked uploads and on browser-based
uploads, and "Signing and Authenticating REST Requests" for Version 2.
"""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
UNSIGNED = "UNSIGNED-PAYLOAD"
NOTHING = hashlib.sha256(b"").hexdigest()
CONTENT = "x-amz-content-sha256"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class Keys:
    """Whose signature it is; temporary ones come with a token. No report of a failed test shows them."""

    access: str
    secret: str
    token: str | None = None

    def __repr__(self) -> str:
        return "Keys(...)"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis prints, which does not ask `__repr__`."""
        printer.text(repr(self))


@dataclass(frozen=True)
class Door:
    """Where S3 is asked, and for which bucket."""

    port: int
    bucket: str
    region: str = "us-east-1"

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def send(self, request: "Request") -> tuple[int, bytes]:
        """Sends a request to the letter: doubled headers, odd spellings and all."""
        connection = http.client.HTTPConnection("localhost", self.port, timeout=30)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in (("Host", self.host), *request.headers, ("Content-Length", str(len(request.body)))):
                connection.putheader(name, value)
            connection.endheaders()
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses need not read, and answers all the same
                connection.send(request.body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Pairs = ()
    headers: Pairs = ()
    body: bytes = b""

    @property
    def target(self) -> str:
        return self.path + (f"?{encoded(self.query)}" if self.query else "")

    def with_headers(self, *pairs: tuple[str, str]) -> "Request":
        return replace(self, headers=self.headers + pairs)

    def with_query(self, *pairs: tuple[str, str]) -> "Request":
        return replace(self, query=self.query + pairs)


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)


@dataclass(frozen=True)
class V4:
    """Signature Version 4 of one moment, for one region."""

    keys: Keys
    door: Door
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def date(self) -> str:
        return self.at.strftime("%Y%m%dT%H%M%SZ")

    @property
    def scope(self) -> str:
        return f"{self.date[:8]}/{self.door.region}/s3/aws4_request"

    def sign(self, text: str) -> str:
        key = b"AWS4" + self.keys.secret.encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def header(self, request: Request, content: str | None = None) -> Request:
        """Signed by the header Authorization; `content` is what stands for the body's hash."""
        content = content or hashlib.sha256(request.body).hexdigest()
        token = (("x-amz-security-token", self.keys.token),) if self.keys.token else ()
        request = request.with_headers(("x-amz-date", self.date), (CONTENT, content), *token)
        names, signature = self._of_headers(request, request.query, content)
        credential = f"{self.keys.access}/{self.scope}"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return request.with_headers(("Authorization", authorization))

    def presigned(self, request: Request, seconds: int = 60) -> Request:
        """Signed by the query."""
        headers = ";".join(sorted({"host", *(name.lower() for name, _ in request.headers)}))
        token = (("X-Amz-Security-Token", self.keys.token),) if self.keys.token else ()
        request = request.with_query(
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{self.keys.access}/{self.scope}"),
            ("X-Amz-Date", self.date),
            ("X-Amz-Expires", str(seconds)),
            ("X-Amz-SignedHeaders", headers),
            *token,
        )
        _, signature = self._of_headers(request, request.query, UNSIGNED)
        return request.with_query(("X-Amz-Signature", signature))

    def chunked(self, request: Request, kind: str) -> Request:
        """An aws-chunked upload of one chunk, of any of the three streaming kinds."""
        trailer = "x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(request.body).to_bytes(4, "big")).decode()
        plain, headers = request.body, [("Content-Encoding", "aws-chunked")]
        headers += [("x-amz-decoded-content-length", str(len(plain)))]
        if kind != SIGNED:
            headers += [("x-amz-trailer", "x-amz-checksum-crc32")]
        signed = self.header(replace(request, headers=request.headers + tuple(headers), body=b""), kind)
        if kind == UNSIGNED_TRAILER:
            return replace(signed, body=b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(plain), plain, trailer.encode()))
        seed = signed.headers[-1][1].rpartition("Signature=")[2]
        first = self._of_chunk("PAYLOAD", seed, plain)
        last = self._of_chunk("PAYLOAD", first, b"")
        body = b"%x;chunk-signature=%s\r\n%s\r\n" % (len(plain), first.encode(), plain)
        body += b"0;chunk-signature=%s\r\n" % last.encode()
        if kind == SIGNED_TRAILER:
            of_trailer = self._of_chunk("TRAILER", last, f"{trailer}\n".encode())
            body += f"{trailer}\r\nx-amz-trailer-signature:{of_trailer}\r\n".encode()
        return replace(signed, body=body + b"\r\n")

    def form(self, key: str, content: bytes) -> Request:
        """A browser's upload with a signed policy."""
        credential = f"{self.keys.access}/{self.scope}"
        conditions = [
            {"bucket": self.door.bucket},
            {"key": key},
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": credential},
            {"x-amz-date": self.date},
        ]
        expires = (self.at + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        policy = base64.b64encode(json.dumps({"expiration": expires, "conditions": conditions}).encode()).decode()
        fields = {
            "key": key,
            "x-amz-algorithm": "AWS4-HMAC-SHA256",
            "x-amz-credential": credential,
            "x-amz-date": self.date,
            "policy": policy,
            "x-amz-signature": self.sign(policy),
        }
        return multipart(f"/{self.door.bucket}", fields, content)

    def _of_headers(self, request: Request, query: Pairs, content: str) -> tuple[str, str]:
        values = {"host": self.door.host, **{name.lower(): value for name, value in request.headers}}
        names = ";".join(sorted(values))
        lines = "".join(f"{name}:{' '.join(values[name].split())}\n" for name in sorted(values))
        canonical = "\n".join(
            [request.method, quote(request.path, safe="/-_.~"), encoded(sorted(query)), lines, names, content]
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return names, self.sign(f"AWS4-HMAC-SHA256\n{self.date}\n{self.scope}\n{digest}")

    def _of_chunk(self, kind: str, before: str, content: bytes) -> str:
        parts = [f"AWS4-HMAC-SHA256-{kind}", self.date, self.scope, before]
        parts += [NOTHING] if kind == "PAYLOAD" else []
        return self.sign("\n".join([*parts, hashlib.sha256(content).hexdigest()]))


@dataclass(frozen=True)
class V2:
    """Signature Version 2, which old clients make."""

    keys: Keys
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def sign(self, request: Request, date: str) -> str:
        amz = sorted((name.lower(), value) for name, value in request.headers if name.lower().startswith("x-amz-"))
        content_type = next((value for name, value in request.headers if name.lower() == "content-type"), "")
        lines = [request.method, "", content_type, date, *(f"{name}:{value}" for name, value in amz)]
        listed = {"uploadId", "partNumber", "uploads", "delete", "policy", "versions", "versionId"}
        sub = "&".join(f"{name}={value}" if value else name for name, value in sorted(request.query) if name in listed)
        text = "\n".join([*lines, request.path + (f"?{sub}" if sub else "")])
        return base64.b64encode(hmac.digest(self.keys.secret.encode(), text.encode(), "sha1")).decode()

    def header(self, request: Request) -> Request:
        date = self.at.strftime("%a, %d %b %Y %H:%M:%S GMT")
        signature = self.sign(request, date)
        return request.with_headers(("Date", date), ("Authorization", f"AWS {self.keys.access}:{signature}"))

    def presigned(self, request: Request) -> Request:
        expires = str(int(self.at.timestamp()) + 60)
        signature = self.sign(request, expires)
        return request.with_query(("AWSAccessKeyId", self.keys.access), ("Expires", expires), ("Signature", signature))


def multipart(path: str, fields: dict[str, str], content: bytes) -> Request:
    boundary = secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    file = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    body = "".join(parts).encode() + file.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return Request("POST", path, headers=(("Content-Type", f"multipart/form-data; boundary={boundary}"),), body=body)


def hmac_token(header: dict[str, str], claims: dict[str, Any], secret: str) -> str:
    """A JSON Web Token of an HMAC, or of none: such that no library for logins would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    size = header["alg"].removeprefix("HS")
    signature = b"" if header["alg"] == "none" else hmac.digest(secret.encode(), b".".join(parts), f"sha{size}")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
