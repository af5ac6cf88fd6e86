"""Files to and from the platform's bucket by Rust's `object_store`, which takes a third of boto3's work for them.

It carries what goes well, and boto3 does again whatever does not: errors, refused credentials, odd names and arguments
have one place, and nothing here needs to know them. To begin a file anew changes nothing but the time it takes.
"""

import os
import re
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from functools import cached_property
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from botocore.httpsession import where
from botocore.utils import get_environ_proxies

from mlflow_platform.client import system
from mlflow_platform.client.certificates import for_storage
from mlflow_platform.client.discovery import Platform
from mlflow_platform.client.refusals import Renewed

# In a fork of a process that has used it obstore waits for threads that are not there. This one's number once it is
# used here; 0 where somebody else had loaded it, and may have used it before a fork.
_process: int | None = 0 if "obstore" in sys.modules else None

import obstore  # noqa: E402
from obstore.store import S3Store  # noqa: E402

_PART = 8 * 1024 * 1024  # bytes, which boto3 has too
_PARTS = 8  # of one file at once
_large = threading.BoundedSemaphore(4)  # files in parts at once: each has its parts in memory
_HEADERS = {"ContentType": "Content-Type", "ContentEncoding": "Content-Encoding"}
_ODD = ("", ".", "..")  # parts of a key that addresses drop
_MD5 = re.compile('"[0-9a-f]{32}"')  # an ETag; of what came in parts, or is encrypted, it has another form
_NOBODY = "http://127.0.0.1:0"


def hasten(client: Any, platform: Platform, credentials: Renewed, patience: int) -> None:
    """Has a boto3 client of the platform's bucket move files by obstore; after so many attempts it does so itself."""
    fast = _Fast(platform, credentials, patience)
    client.upload_file = _first(fast.upload_file, client.upload_file)
    client.download_file = _first(fast.download_file, client.download_file)


def _first(fast: Callable[..., None], by_boto3: Callable[..., None]) -> Callable[..., None]:
    def either(*args: Any, **options: Any) -> None:
        with suppress(Exception):
            fast(*args, **options)
            return
        by_boto3(*args, **options)  # outside, or its error would come with the other one, whose text is not ours

    return either


class _Fast:
    """boto3's two functions, as far as MLflow uses them; whatever they cannot do they raise some error about.

    What is one request is tried once: boto3 has the patience, and knows at once which server to tell nothing. What
    takes many goes on after each that failed, and begins only when one has succeeded.
    """

    def __init__(self, platform: Platform, credentials: Renewed, patience: int):
        self._platform = platform
        self._credentials = credentials
        self._patience = patience

    def upload_file(self, Filename: str, Bucket: str, Key: str, ExtraArgs: dict[str, Any] | None = None) -> None:
        self._check(Bucket, Key)
        attributes: Any = {_HEADERS[name]: value for name, value in (ExtraArgs or {}).items()}
        path = Path(Filename)
        if path.stat().st_size > _PART:  # which boto3 sends no slower, MinIO being what takes the time
            raise ValueError(path)
        obstore.put(self._once, Key, path, attributes=attributes, use_multipart=False)

    def download_file(self, Bucket: str, Key: str, Filename: str) -> None:
        self._check(Bucket, Key)
        first = obstore.get(self._once, Key, options={"range": (0, _PART)})
        size, etag = first.meta["size"], first.meta["e_tag"] or ""
        content = first.bytes()
        if size <= _PART and _MD5.fullmatch(etag) and md5(content, usedforsecurity=False).hexdigest() != etag[1:-1]:
            raise ValueError(etag)
        new = Path(f"{os.fspath(Filename)}.{os.urandom(4).hex()}")
        try:
            new.write_bytes(content)
            if size > _PART:
                _get_rest(self._patient, Key, etag, size, new)
            system.here.replace(new, Path(Filename))
        finally:
            new.unlink(missing_ok=True)

    def _check(self, bucket: str, key: str) -> None:
        """Raises where obstore must not be asked: it would wait for ever, or take the key for another."""
        global _process
        _process = os.getpid() if _process is None else _process
        if _process != os.getpid() or bucket != self._platform.bucket or any(part in _ODD for part in key.split("/")):
            raise ValueError(key)

    @cached_property
    def _once(self) -> S3Store:
        return self._made(retries=0)

    @cached_property
    def _patient(self) -> S3Store:
        return self._made(self._patience - 1)

    def _made(self, retries: int) -> S3Store:
        """One that the environment says nothing to: `AWS_*` variables count where obstore is not told otherwise.

        It would also follow a redirect, with the session's token. So every server but ours is behind a proxy that
        nobody can be; whoever has a proxy goes by boto3.
        """
        endpoint = self._platform.s3_endpoint
        overriding = [name for name in os.environ if name.upper() == "AWS_SERVER_SIDE_ENCRYPTION"]
        if overriding or get_environ_proxies(endpoint):
            raise ValueError(endpoint)
        address, trust = urlsplit(endpoint), for_storage(self._platform.trust)
        client_options: Any = {
            "allow_http": address.scheme == "http",
            "allow_invalid_certificates": False,
            "disable_system_certificates": True,
            "root_certificate": Path(trust if isinstance(trust, str) else where()).read_bytes(),
            "proxy_url": _NOBODY,
            "proxy_excludes": address.hostname or "",
            "connect_timeout": "5s",
            "read_timeout": "5m",  # of an upload it is all of the time, until the answer
            "timeout": "1h",
        }
        return S3Store(
            self._platform.bucket,
            config={
                "aws_endpoint_url_s3": endpoint,
                "region": self._platform.s3_region,
                "virtual_hosted_style_request": False,
                "s3_express": False,
                "skip_signature": False,
                "unsigned_payload": False,
                "request_payer": False,
                "checksum_algorithm": "sha256",
            },
            client_options=client_options,
            retry_config={
                "max_retries": retries,
                "retry_timeout": timedelta(minutes=1),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=200),
                    "max_backoff": timedelta(seconds=15),
                    "base": 4,
                },
            },
            credential_provider=_Provider(self._credentials),
        )


class _Provider:
    """Asked again every second, so that botocore's own rule says when credentials are renewed, for both engines."""

    refresh_threshold = timedelta(0)

    def __init__(self, credentials: Renewed):
        self._credentials = credentials

    def __call__(self) -> Any:
        keys = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": datetime.now(timezone.utc) + timedelta(seconds=1),
        }


def _get_rest(store: S3Store, key: str, etag: str, size: int, path: Path) -> None:
    """All but the first part, of the same object as that."""

    def get(start: int) -> None:
        part = obstore.get(store, key, options={"range": (start, min(start + _PART, size)), "if_match": etag})
        with path.open("r+b") as file:
            file.seek(start)
            file.write(part.bytes())

    with _large, ThreadPoolExecutor(_PARTS) as pool:
        for _ in pool.map(get, range(_PART, size, _PART)):
            pass
