"""Uploads that nobody completes: a rule of the bucket ends none on MinIO, the server's own setting does."""

import io
import secrets
import time
from collections.abc import Callable

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import S3Error
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, LifecycleConfig, Rule

from offline.providers.minio.server import Server

from ..containers import running


def test_an_upload_that_nobody_completes_ends_by_the_servers_setting(local_image: Callable[[str], str]):
    password, secret = secrets.token_hex(12), "/etc/root.env"
    soon = {"MINIO_API_STALE_UPLOADS_EXPIRY": "3s", "MINIO_API_STALE_UPLOADS_CLEANUP_INTERVAL": "1s"}
    with running(
        local_image("minio"),
        ["server", "/data"],
        port=9000,
        environment={"MINIO_CONFIG_ENV_FILE": secret, **soon},
        files={secret: f"MINIO_ROOT_USER=root\nMINIO_ROOT_PASSWORD={password}\n"},
    ) as port:
        server = Server({"minioServer": f"127.0.0.1:{port}", "minioUser": "root", "minioPassword": password})
        with server.calls():
            server.s3.list_buckets()  # waits for the server to be ready
            server.s3.make_bucket("data")
        upload = begun(server.s3)
        assert parts(server.s3, upload) == 1
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and parts(server.s3, upload):
            time.sleep(0.5)
        assert parts(server.s3, upload) == 0
        server.s3.put_object("data", "whole", io.BytesIO(b"x"), 1)
        time.sleep(4)
        assert server.s3.get_object("data", "whole").read() == b"x"


def test_a_rule_that_aborts_uploads_is_refused(server: Server):
    with server.calls():
        server.s3.make_bucket("aborting")
    rule = Rule(
        ENABLED,
        rule_filter=Filter(prefix=""),
        rule_id="abort",
        abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(1),
    )
    with pytest.raises(S3Error, match="did not validate"):
        server.s3.set_bucket_lifecycle("aborting", LifecycleConfig([rule]))


def begun(s3: Minio) -> str:
    """An upload with one part."""
    upload = s3._create_multipart_upload("data", "model.bin", {})
    s3._upload_part("data", "model.bin", b"x" * 1024, {}, upload, 1)
    return upload


def parts(s3: Minio, upload: str) -> int:
    try:
        return len(s3._list_parts("data", "model.bin", upload).parts)
    except S3Error as error:
        assert error.code == "NoSuchUpload"
        return 0
