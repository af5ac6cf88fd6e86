"""What the gateway lets nobody ask of S3, whatever server stands behind it."""

import pytest

from tests.e2e.s3.signing import CONTENT, UNSIGNED_TRAILER, V4, Request
from tests.e2e.s3.target import Target

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "path",
    [
        "/minio/admin/v3/info",
        "/minio/storage/data1/v63/rmpl",
        "/minio/peer/v39/health",
        "/minio/grid/v1",
        "/minio/lock/v8/lock",
        "/minio/bootstrap/v1/verify",
        "/minio/v2/metrics/cluster",
        "/minio/metrics/v3",
        "/minio/prometheus/metrics",
        "/minio/kms/v1/status",
        "/minio/health/cluster",
        "/minio/health/ready",
        "/minio/health/live/x",
        "/minio",
        "/minio/",
        "//minio/admin/v3/info",
        "/./minio/admin/v3/info",
        "/minio/./admin/v3/info",
        "/x/../minio/admin/v3/info",
        "/x/%2e%2e/minio/admin/v3/info",
        "/%6dinio/admin/v3/info",
        "/minio%2fadmin/v3/info",
        "/minio/admin/v3/info/../../../../x",
        "/MINIO/admin/v3/info",
        "/minio/admin/v3/info?x=/../",
        "http://minio:9000/minio/admin/v3/info",
    ],
)
def test_the_gateway_knows_nothing_of_minios_own_paths_however_they_are_written(target: Target, path: str):
    gateway = target.doors["gateway"]
    for method in ("GET", "POST", "PUT"):
        status, said = gateway.send(Request(method, path))
        assert status in (400, 403), said
        assert b"S3 and STS" in said or b"dots" in said or status == 400


def test_whoever_watches_from_outside_learns_that_it_lives_and_nothing_else(target: Target):
    assert target.doors["gateway"].send(Request("GET", "/minio/health/live")) == (200, b"")


def _encoded_names(name: str) -> list[str]:
    return [name, name.upper(), name.replace("e", "%65"), name.replace("i", "%49"), name.replace("-", "%2d")]


@pytest.mark.parametrize(
    "query",
    [
        *(f"{name}=true" for name in _encoded_names("x-minio-source-replication-request")),
        *(f"{name}=true" for name in _encoded_names("x-amz-meta-snowball-auto-extract")),
        "select&select-type=2",
        "s%65lect&select-type=2",
        "SELECT",
        "list-type=2&select",
        f"{CONTENT}={UNSIGNED_TRAILER}",
        f"X-Amz-Content-Sha256={UNSIGNED_TRAILER.replace('-', '%2D')}",
        "X-%41mz-Credential=x",
    ],
)
def test_the_gateway_refuses_in_the_query_what_it_refuses_in_a_header(target: Target, query: str):
    gateway = target.doors["gateway"]
    for method in ("GET", "PUT", "POST"):
        status, said = gateway.send(Request(method, f"/{gateway.bucket}/x?{query}"))
        assert status == 403, said


@pytest.mark.parametrize(
    "headers",
    [
        (("X-MINIO-SOURCE-MTIME", "2001-01-01T00:00:00Z"),),
        (("x-minio-force-delete", "true"), ("x-minio-force-delete", "")),
        (("x-minio-extract", "true"),),
        (("X-Amz-Replication-Status", "REPLICA"),),
        (("X-Amz-Meta-Snowball-Auto-Extract", "TRUE"),),
    ],
)
def test_the_gateway_refuses_headers_that_clients_have_no_use_for(target: Target, headers: tuple[tuple[str, str], ...]):
    gateway = target.doors["gateway"]
    request = V4(target.service, gateway).header(Request("GET", f"/{gateway.bucket}")).with_headers(*headers)
    status, said = gateway.send(request)
    assert (status, b"<Code>AccessDenied</Code>" in said) == (403, True)
