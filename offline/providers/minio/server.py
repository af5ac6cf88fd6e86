"""The MinIO server that the provider's configuration names."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error

from ..base import ProviderError
from .common import Gone

_RETRIES = urllib3.Retry(total=8, connect=4, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])
"""About a minute for a server that is there and still starting (it answers 503), seconds for one that is not there."""

_GONE = {"NoSuchBucket", "XMinioAdminNoSuchPolicy", "XMinioAdminNoSuchUser", "XMinioAdminPolicyChangeAlreadyApplied"}


class Server:
    """S3 and admin clients. Inside `with server.calls():` they raise Gone, or a ProviderError that names the server."""

    def __init__(self, config: dict[str, Any]):
        self.endpoint = config["minioServer"]
        self.secure = bool(config.get("minioSsl"))
        self.region = config.get("minioRegion") or "us-east-1"
        self.url = f"{'https' if self.secure else 'http'}://{self.endpoint}"
        verified = not config.get("minioInsecure")
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=10, read=60),
            maxsize=10,
            cert_reqs="CERT_REQUIRED" if verified else "CERT_NONE",
            retries=_RETRIES,
        )
        user, password = config["minioUser"], config["minioPassword"]
        self.s3 = Minio(
            self.endpoint, user, password, secure=self.secure, region=self.region, http_client=pool, cert_check=verified
        )
        self.admin = MinioAdmin(
            endpoint=self.endpoint,
            credentials=StaticProvider(user, password),
            region=self.region,
            secure=self.secure,
            cert_check=verified,
            http_client=pool,
        )

    @contextmanager
    def calls(self) -> Iterator[None]:
        try:
            yield
        except (MinioException, MinioAdminException) as error:
            code, message = _said(error)
            if code in _GONE:
                raise Gone(message) from None
            raise ProviderError(f"MinIO at {self.url}: {message} ({code})") from None
        except urllib3.exceptions.HTTPError as error:
            raise ProviderError(f"MinIO at {self.url} cannot be reached: {_cause(error)}") from None


def _said(error: Exception) -> tuple[str, str]:
    """The code and the message of MinIO's answer."""
    if isinstance(error, S3Error):
        return error.code or "?", error.message or "no reason given"
    text = str(error).partition("Body: ")[2]  # how MinioAdminException writes the answer, which it keeps to itself
    try:
        answer = json.loads(text)
    except ValueError:
        return "?", str(error)
    return answer["Code"], answer["Message"]


def _cause(error: urllib3.exceptions.HTTPError) -> object:
    return getattr(error, "reason", None) or error
