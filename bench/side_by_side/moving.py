"""Artifacts up and down: straight to the object store with the user's own credentials, or another way."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from docker.models.containers import Container

from side_by_side.servers import BUCKET, SECRET, STATIC_KEY, Server, Servers
from side_by_side.stage import Stage, run

ROUNDS = 3
MANY = 200  # files of 1 MB
ONE = 1000  # MB of one file
GOAL = 0.95
DISK_GB = 12.0
CLIENT = 5  # address
SCRIPT = Path(__file__).with_name("transfer.py")
BOTO3 = "boto3, static keys"
THREADS = "boto3, static keys, as many threads"
PLATFORM = "this client, STS"


@dataclass(frozen=True)
class Way:
    """How artifacts travel: a name, which client, and what its environment has."""

    name: str
    client: str
    env: dict[str, str] = field(default_factory=dict)


def moving(
    stage: Stage, image: str, servers: Servers, *, platform: Server, proxy: Server, no_auth: Server
) -> list[list[str]]:
    """The rows of the table."""
    client = stage.start("client", CLIENT, image, ["infinity"], entrypoint="sleep")
    sizes = {"BENCH_MANY": str(MANY), "BENCH_ONE": str(ONE), "MLFLOW_DISABLE_TELEMETRY": "true"}
    run(client, SCRIPT, "make", env=sizes)
    static = {
        "AWS_ACCESS_KEY_ID": STATIC_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": servers.s3_endpoint,
        "BENCH_BUCKET": BUCKET,
    }
    service = {"MLFLOW_PLATFORM_CLIENT_ID": "bench", "MLFLOW_PLATFORM_CLIENT_SECRET": SECRET}
    ways = [
        Way(BOTO3, "boto3", static),
        Way(THREADS, "threads", static),
        Way(PLATFORM, "mlflow", {**_run_of(platform), **service}),
        Way("MLflow's own client, static keys", "mlflow", {**_run_of(no_auth), **static}),
        Way("MLflow's proxy", "mlflow", _run_of(proxy)),
    ]
    rows = []
    for kind, megabytes in (("many", MANY), ("one", ONE)):
        found = {(way.name, direction): [] for direction in ("up", "down") for way in ways}
        for turn in range(ROUNDS):
            start = turn % len(ways)
            for way in ways[start:] + ways[:start]:
                for direction in ("up", "down"):
                    seconds = float(
                        run(client, SCRIPT, way.client, direction, kind, env={**sizes, **way.env}).split()[0]
                    )
                    found[way.name, direction].append(megabytes / seconds)
                _empty(client, static)
        what = f"{MANY} files of 1 MB" if kind == "many" else f"1 file of {ONE} MB"
        rows += [
            _row(what, direction, name, rates, found[BOTO3, direction], found[THREADS, direction])
            for (name, direction), rates in found.items()
        ]
        print(f"{what}: done", file=sys.stderr)
    return rows


def _run_of(server: Server) -> dict[str, str]:
    experiment = server.ask("experiments/create", {"name": "artifacts"})["experiment_id"]
    made = server.ask("runs/create", {"experiment_id": experiment, "start_time": 1})
    return {"MLFLOW_TRACKING_URI": f"http://{server.host}", "BENCH_RUN": made["run"]["info"]["run_id"]}


def _empty(client: Container, static: dict[str, str]) -> None:
    """Makes room, and gives each way the same bucket to begin with."""
    run(client, SCRIPT, "empty", env={**static, "BENCH_MANY": "0", "BENCH_ONE": "0"})


def _row(
    what: str, direction: str, name: str, rates: list[float], plain: list[float], threads: list[float]
) -> list[str]:
    of_plain = _of(rates, plain)
    goal = ("met" if median(of_plain) >= GOAL else "missed") if name == PLATFORM else ""
    return [what, direction, name, f"{median(rates):.0f}", _shown(of_plain), goal, _shown(_of(rates, threads))]


def _of(rates: list[float], reference: list[float]) -> list[float]:
    """The ratios of rounds side by side, in order."""
    return sorted(mine / its for mine, its in zip(rates, reference, strict=True))


def _shown(ratios: list[float]) -> str:
    return f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


HEADING = ["files", "direction", "way", "MB/s", "of boto3", f"goal {GOAL}", "of boto3 with threads"]
