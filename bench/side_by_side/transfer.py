"""One transfer of artifacts by one way: run in the client's container, prints the seconds it took, and those of this
process on a processor.

`transfer.py make` writes the files, `empty` empties the bucket; `boto3|threads|mlflow|ours up|down many|one` moves
them, by MLflow's own API, with boto3 alone (one file after the other, or by as many threads as MLflow's), or with the
S3 client that our repository gives MLflow, by as many threads. Imports do not count; logging in and getting credentials
do.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

SIZE = 1_000_000
MEMBERS = {"many": int(os.environ["BENCH_MANY"]), "one": 1}
SIZES = {"many": SIZE, "one": int(os.environ["BENCH_ONE"]) * SIZE}
FILES = Path(os.environ.get("BENCH_FOLDER", "/tmp"), "files")
BACK = FILES.with_name("back")
THREADS = int(os.environ.get("BENCH_THREADS", 2 * (os.cpu_count() or 1)))


def make() -> None:
    block = os.urandom(SIZE)
    for kind, members in MEMBERS.items():
        (FILES / kind).mkdir(parents=True)
        for number in range(members):
            with (FILES / kind / f"{number}.bin").open("wb") as file:
                for _ in range(SIZES[kind] // SIZE):
                    file.write(block)


def empty() -> None:
    client, bucket = s3(), os.environ["BENCH_BUCKET"]
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            client.delete_object(Bucket=bucket, Key=entry["Key"])


def s3() -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], config=s3_config())


def s3_config() -> Any:
    from botocore.config import Config

    return Config(max_pool_connections=200)  # as ours


def ours() -> Any:
    """The platform's S3 client, with keys that need no STS."""
    from mlflow_platform.client import storage, transfer
    from mlflow_platform.client.discovery import Platform
    from mlflow_platform.client.refusals import Renewed

    endpoint, bucket = os.environ["MLFLOW_S3_ENDPOINT_URL"], os.environ["BENCH_BUCKET"]
    platform = Platform(endpoint, endpoint, "", endpoint, os.environ["AWS_DEFAULT_REGION"], bucket, None)
    keys = {"access_key": os.environ["AWS_ACCESS_KEY_ID"], "secret_key": os.environ["AWS_SECRET_ACCESS_KEY"]}
    given = Renewed.create_from_metadata(
        {**keys, "token": None, "expiry_time": "2999-01-01T00:00:00Z"}, refresh_using=lambda: {}, method="bench"
    )
    client = storage._client("s3", platform, 10, given, s3={"addressing_style": "path"})
    transfer.hasten(client, platform, given, 10)
    return client


def by_boto3(direction: str, kind: str, threads: int = 1, client_of: Callable[[], Any] = s3) -> Callable[[], object]:
    client_of()  # imports

    bucket, prefix = os.environ["BENCH_BUCKET"], f"boto3/{kind}"

    def up() -> None:
        client = client_of()
        files = list((FILES / kind).iterdir())
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda file: client.upload_file(str(file), bucket, f"{prefix}/{file.name}"), files))

    def down() -> None:
        client = client_of()
        keys = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/")["Contents"]]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda key: client.download_file(bucket, key, str(BACK / Path(key).name)), keys))

    return up if direction == "up" else down


def by_mlflow(direction: str, kind: str) -> Callable[[], object]:
    import boto3  # noqa: F401
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts

    run = os.environ["BENCH_RUN"]
    if direction == "up":
        return lambda: MlflowClient().log_artifacts(run, str(FILES / kind), kind)
    return lambda: download_artifacts(run_id=run, artifact_path=kind, dst_path=str(BACK))


def timed(move: Callable[[], object], direction: str, kind: str) -> tuple[float, float]:
    shutil.rmtree(BACK, ignore_errors=True)
    BACK.mkdir()
    started, busy = time.perf_counter(), time.process_time()
    move()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    if direction == "down":
        sizes = [file.stat().st_size for file in BACK.rglob("*.bin")]
        assert sizes == [SIZES[kind]] * MEMBERS[kind], "not everything came back"
    shutil.rmtree(BACK)
    return seconds, busy


if __name__ == "__main__":
    if sys.argv[1] in ("make", "empty"):
        {"make": make, "empty": empty}[sys.argv[1]]()
        print("done")
    else:
        way, direction, kind = sys.argv[1:]
        threads = partial(by_boto3, threads=THREADS)
        ways = {"boto3": by_boto3, "threads": threads, "mlflow": by_mlflow, "ours": partial(threads, client_of=ours)}
        print(*timed(ways[way](direction, kind), direction, kind))
