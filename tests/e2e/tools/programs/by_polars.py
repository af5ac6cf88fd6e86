"""Polars, whose credential provider asks the profile anew."""

import os
import subprocess
import time

import polars as pl

bucket = os.environ["BUCKET"]
endpoint = subprocess.check_output(["aws", "configure", "get", "profile.mlflow.endpoint_url"], text=True).strip()
mine = {
    "credential_provider": pl.CredentialProviderAWS(profile_name="mlflow"),
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
