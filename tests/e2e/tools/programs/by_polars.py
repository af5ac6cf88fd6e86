"""Polars, by a function that it asks whenever credentials end."""

import datetime
import json
import os
import subprocess
import time

import polars as pl


def keys() -> tuple[dict[str, str], int]:
    given = json.loads(subprocess.check_output(["mlflow-platform", "credentials"]))
    names = {
        "aws_access_key_id": "AccessKeyId",
        "aws_secret_access_key": "SecretAccessKey",
        "aws_session_token": "SessionToken",
    }
    end = datetime.datetime.fromisoformat(given["Expiration"].replace("Z", "+00:00"))
    return {name: given[its] for name, its in names.items()}, int(end.timestamp())


bucket = os.environ["BUCKET"]
endpoint = subprocess.check_output(["aws", "configure", "get", "profile.mlflow.endpoint_url"], text=True).strip()
mine = {
    "credential_provider": keys,
    "storage_options": {"aws_endpoint_url": endpoint, "aws_allow_http": "true"},
}
table = pl.DataFrame({"step": range(2_000_000), "loss": 0.5})
for at in ("before", "after"):
    place = f"s3://{bucket}/polars/{at}.parquet"
    table.lazy().sink_parquet(place, **mine)
    assert pl.scan_parquet(place, **mine).select(pl.len()).collect().item() == 2_000_000
    assert pl.read_parquet(place, **mine).equals(table)
    if at == "before":
        time.sleep(float(os.environ["WAIT"]))
print("done")
