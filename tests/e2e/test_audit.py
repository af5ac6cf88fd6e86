"""Who did what on the running servers: one person's day, in one order, and nothing of it that gives anything away."""

import pytest

from tests.e2e.conftest import Platform

pytestmark = pytest.mark.e2e

CALLER = "X-MLflow-Platform-Caller"


def test_a_persons_login_requests_objects_and_refusals_are_in_one_order(platform: Platform):
    token = platform.token("vera")
    created = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/create", json={"name": "not hers"})
    found = platform.ask(token, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 1})
    assert (created.status_code, found.status_code) == (403, 200)
    assert CALLER not in found.headers
    platform.s3(token).list_objects_v2(Bucket=platform.outputs["artifact_bucket"], Prefix="audited/")
    anonymous = platform.ask("", "GET", "/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})
    assert anonymous.status_code == 401

    asked = platform.stack.platform("audit", "--since", "10m", "--user", "vera")
    assert asked.returncode == 0, asked.stderr
    said = asked.stdout
    told = [
        said.index(words)
        for words in (
            "LOGIN",
            "refused POST /api/2.0/mlflow/experiments/create",
            "POST /api/2.0/mlflow/experiments/search",
            "credentials POST",
            "GET /mlflow",
        )
    ]
    assert told == sorted(told), said
    assert "403" in said
    assert "audited" not in said  # a query
    everything = platform.stack.platform("audit", "--since", "10m").stdout
    assert "refused GET /api/2.0/mlflow/experiments/get" in everything
    secrets = [secret for secret in platform.handed_out if secret]
    assert not [secret for secret in secrets if secret in everything]
