"""DuckDB by its own extension, which has to be told of new credentials."""

import json
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import duckdb_extension_httpfs

bucket = os.environ["BUCKET"]
endpoint = urlsplit(
    subprocess.check_output(["aws", "configure", "get", "profile.mlflow.endpoint_url"], text=True).strip()
)


def with_todays_keys(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """To be called before each query of a long job; the client keeps credentials and asks only when they end."""
    given = json.loads(subprocess.check_output(["mlflow-platform", "credentials"]))
    database.execute(
        "CREATE OR REPLACE SECRET platform (TYPE s3, KEY_ID ?, SECRET ?, SESSION_TOKEN ?, ENDPOINT ?, USE_SSL ?,"
        " URL_STYLE 'path', REGION 'us-east-1')",
        [
            given["AccessKeyId"],
            given["SecretAccessKey"],
            given["SessionToken"],
            endpoint.netloc,
            endpoint.scheme == "https",
        ],
    )
    return database


(extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
database = duckdb.connect()
database.execute(f"LOAD '{extension}'")  # elsewhere: INSTALL httpfs; LOAD httpfs
for at in ("before", "after"):
    place = f"s3://{bucket}/httpfs/{at}.parquet"
    with_todays_keys(database).execute(f"COPY (SELECT range AS step FROM range(2000000)) TO '{place}' (FORMAT parquet)")
    assert with_todays_keys(database).sql(f"SELECT count(*) FROM '{place}'").fetchone() == (2_000_000,)
    if at == "before":
        time.sleep(float(os.environ["WAIT"]))
print("done")
