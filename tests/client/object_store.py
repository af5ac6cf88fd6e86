"""The platform double's MinIO: STS and S3, which judge tokens, keys and signatures by the double's clock."""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs

Answer = tuple[int, dict[str, str], bytes]

_MOST_SKEW = 15 * 60  # seconds
_SKEWED = "RequestTimeTooSkewed"


@dataclass
class ObjectStore:
    """Its attributes are its behaviour; `objects` is what is in it, by path."""

    clock: Callable[[], float]
    secret: Callable[[str], str]  # makes one, of this kind
    life: float = 3600
    error: str = ""  # of STS, for every token
    takes: Callable[[str], bool] = lambda path: True  # what may be written
    instead: Callable[[str, str, Mapping[str, str]], Answer | None] = lambda method, address, headers: None
    objects: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, float] = field(default_factory=dict)  # the ends of those that were given out; it takes others too
    parts: dict[int, bytes] = field(default_factory=dict)  # of what is being uploaded

    def sts(self, form: dict[str, str]) -> Answer:
        space = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'
        token, code, message = form["WebIdentityToken"], self.error, form["WebIdentityToken"]
        if not code and _expiry(token) <= self.clock():
            code, message = "InvalidParameterValue", "Token is expired"  # as MinIO says it
        if code:
            told = f"<Code>{code}</Code><Message>{message}</Message>"
            return 400, {}, f"<ErrorResponse {space}><Error>{told}</Error></ErrorResponse>".encode()
        ends = self.clock() + float(form.get("DurationSeconds", self.life))
        given = {
            "AccessKeyId": f"AK{secrets.token_hex(6)}",
            "SecretAccessKey": self.secret("s3"),
            "SessionToken": self.secret("s3session"),
            "Expiration": datetime.fromtimestamp(ends, UTC).isoformat(),
        }
        self.keys[given["AccessKeyId"]] = ends
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
        action = "AssumeRoleWithWebIdentity"
        result = f"<{action}Result><Credentials>{inner}</Credentials></{action}Result>"
        return 200, {"content-type": "text/xml"}, f"<{action}Response {space}>{result}</{action}Response>".encode()

    def s3(self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if "Authorization" not in headers:
            return 403, {}, b""
        if code := self._refusal(headers):
            if method == "HEAD":  # of the time MinIO says nothing there
                return 403, {} if code == _SKEWED else {"x-minio-error-code": code}, b""
            return 403, {}, f"<Error><Code>{code}</Code></Error>".encode()
        if answer := self.instead(method, f"{path}?{query}", headers):
            return answer
        asked = {name: values[0] for name, values in parse_qs(query, keep_blank_values=True).items()}
        if method == "DELETE":  # what was begun in parts
            self.parts.clear()
            return 204, {}, b""
        if method in ("PUT", "POST"):
            return self._put(path, asked, body) if self.takes(path) else (403, {}, b"")
        if path == "/mlflow":
            return 200, {"content-type": "text/xml"}, self._listed(asked.get("prefix", ""), asked.get("delimiter"))
        return self._get(self.objects[path], headers) if path in self.objects else (404, {}, b"")

    def _put(self, path: str, asked: dict[str, str], body: bytes) -> Answer:
        """An object, or a step of one in parts, of which only one is under way."""
        if "uploads" in asked:
            self.parts.clear()
            begun = f"<Bucket>mlflow</Bucket><Key>{path}</Key><UploadId>1</UploadId>"
            return 200, {}, f"<InitiateMultipartUploadResult>{begun}</InitiateMultipartUploadResult>".encode()
        if "partNumber" in asked:
            self.parts[int(asked["partNumber"])] = body
            return 200, {"etag": _etag(body)}, b""
        self.objects[path] = b"".join(self.parts[number] for number in sorted(self.parts)) if asked else body
        done = "<CompleteMultipartUploadResult><ETag>1</ETag></CompleteMultipartUploadResult>"
        return 200, {"etag": _etag(body)}, done.encode() if asked else b""

    def _get(self, content: bytes, headers: Mapping[str, str]) -> Answer:
        etag = _etag(content)
        if headers.get("If-Match", etag) != etag:
            return 412, {}, b""
        if not (wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))):
            return 200, {"etag": etag}, content
        start, end = int(wanted[1]), min(int(wanted[2] or len(content)) + 1, len(content))
        if start >= len(content):
            return 416, {}, b""
        return 206, {"etag": etag, "content-range": f"bytes {start}-{end - 1}/{len(content)}"}, content[start:end]

    def _listed(self, prefix: str, delimiter: str | None) -> bytes:
        keys = [key for path in self.objects if (key := path.removeprefix("/mlflow/")).startswith(prefix)]
        ends = {key: key.find(delimiter, len(prefix)) if delimiter else -1 for key in keys}
        folders = {key[: end + 1] for key, end in ends.items() if end >= 0}
        files = [f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key, end in ends.items() if end < 0]
        deeper = [f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders]
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(files + deeper)}</ListBucketResult>".encode()
        )

    def _refusal(self, headers: Mapping[str, str]) -> str | None:
        signed = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if abs(signed - self.clock()) > _MOST_SKEW:
            return _SKEWED
        key = headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        return "InvalidAccessKeyId" if key in self.keys and self.keys[key] <= self.clock() else None


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content).hexdigest()}"'


def _expiry(token: str) -> float:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
