"""boto3."""

import os
import time
import urllib.request
from pathlib import Path

import boto3

bucket, big = os.environ["BUCKET"], Path(os.environ["BIG"])
s3 = boto3.Session(profile_name="mlflow").client("s3")
for at in ("boto3/before", "boto3/after"):
    s3.upload_file(str(big), bucket, f"{at}/big")
    there = {"Bucket": bucket, "Key": f"{at}/big"}
    assert s3.get_object(**there)["Body"].read() == big.read_bytes()
    s3.copy(there, bucket, f"{at}/copied")
    s3.delete_object(**there)
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=bucket, Prefix=at)["Contents"]] == [f"{at}/copied"]
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": f"{at}/copied"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(link) as answer:
        assert answer.read() == big.read_bytes()
    if at.endswith("before"):
        time.sleep(float(os.environ["WAIT"]))
print("done")
