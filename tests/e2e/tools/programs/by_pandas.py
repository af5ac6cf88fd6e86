"""pandas."""

import os
import time

import pandas as pd

bucket = os.environ["BUCKET"]
options = {"profile": "mlflow"}
table = pd.DataFrame({"step": range(2_000_000), "loss": 0.5})
for at in ("before", "after"):
    place = f"s3://{bucket}/pandas/{at}"
    table.to_parquet(f"{place}.parquet", storage_options=options)
    assert pd.read_parquet(f"{place}.parquet", storage_options=options).equals(table)
    table.head(10).to_csv(f"{place}.csv", index=False, storage_options=options)
    assert pd.read_csv(f"{place}.csv", storage_options=options).equals(table.head(10))
    if at == "before":
        time.sleep(float(os.environ["WAIT"]))
print("done")
