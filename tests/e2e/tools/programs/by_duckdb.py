"""DuckDB, by s3fs, which needs no extension and asks the profile anew."""

import os
import time

import duckdb
import s3fs

bucket = os.environ["BUCKET"]
database = duckdb.connect()
database.register_filesystem(s3fs.S3FileSystem(profile="mlflow"))
for at in ("before", "after"):
    place = f"s3://{bucket}/duckdb/{at}.parquet"
    database.execute(f"COPY (SELECT range AS step FROM range(2000000)) TO '{place}' (FORMAT parquet)")
    assert database.sql(f"SELECT count(*), max(step) FROM '{place}'").fetchone() == (2_000_000, 1_999_999)
    if at == "before":
        time.sleep(float(os.environ["WAIT"]))
print("done")
