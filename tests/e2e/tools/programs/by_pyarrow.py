"""PyArrow, by s3fs: its own file system takes keys that end."""

import os
import time

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import s3fs

bucket = os.environ["BUCKET"]
files = s3fs.S3FileSystem(profile="mlflow")
table = pa.table({"step": range(2_000_000), "half": [step % 2 for step in range(2_000_000)]})
for at in ("before", "after"):
    place = f"{bucket}/pyarrow/{at}"
    pq.write_table(table, f"{place}.parquet", filesystem=files)
    assert pq.read_table(f"{place}.parquet", filesystem=files) == table
    ds.write_dataset(table, place, format="parquet", partitioning=["half"], filesystem=files)
    assert ds.dataset(place, partitioning=["half"], filesystem=files).count_rows() == 2_000_000
    if at == "before":
        time.sleep(float(os.environ["WAIT"]))
print("done")
