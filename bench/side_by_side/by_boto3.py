"""The same objects by boto3, as training jobs move them: what the gateway costs those who do more work themselves."""

import sys
from pathlib import Path
from statistics import median

from docker.models.containers import Container

from side_by_side.gateways import S3, Gateways
from side_by_side.objects import DIRECT, GOALS, Figures, Way, cpu_per_megabyte, ratios, shown
from side_by_side.servers import BUCKET, SECRET, STATIC_KEY
from side_by_side.stage import Stage, archive, run
from side_by_side.store import REGION, Store

SCRIPT = Path(__file__).with_name("transfer.py")
KINDS = {"many": "200 x 1 MB, 4 at once", "one": "1 x 1000 MB"}
MEGABYTES = {"many": 200, "one": 1000}
_FIRST = 50  # address of the first client
_AUTHORITY = "/bench/authority.pem"
HEADING = [
    "objects",
    "direction",
    "way",
    "MB/s",
    "of direct",
    "goal",
    "of direct, by CPU",
    *(f"CPU ms/MB, {part}" for part in ("gateway", "MinIO", "client", "all")),
]


def by_boto3(stage: Stage, image: str, gateways: Gateways, store: Store, rounds: int) -> list[list[str]]:
    """The rows of the table; `image` has Python and boto3."""
    doors = [gateways.get(scheme) for scheme in ("http", "https")]
    ways = [Way(DIRECT, store.addresses)]
    ways += [Way(f"gateway, {it.scheme}", [f"{S3}:{it.port}"], it) for it in doors]
    clients = [_client(stage, image, gateways, way, _FIRST + number) for number, way in enumerate(ways)]
    rows = []
    for kind in KINDS:
        found = {(way.name, direction): Figures() for direction in ("up", "down") for way in ways}
        for turn in range(rounds):
            start = turn % len(ways)
            for number in [*range(start, len(ways)), *range(start)]:
                for direction in ("up", "down"):
                    figures = found[ways[number].name, direction]
                    _move(stage, store, ways[number], clients[number], direction, kind, figures)
        print(f"{KINDS[kind]} by boto3: done", file=sys.stderr)
        rows += [_row(kind, direction, name, its, found[DIRECT, direction]) for (name, direction), its in found.items()]
    return rows


def _client(stage: Stage, image: str, gateways: Gateways, way: Way, number: int) -> Container:
    """Each way has one, which finds the name at its gateway."""
    hosts = {S3: way.gateway.address} if way.gateway else {}
    client = stage.start(f"client-{number}", number, image, ["infinity"], entrypoint="sleep", hosts=hosts)
    client.put_archive("/", archive({_AUTHORITY: gateways.authority}))
    run(client, SCRIPT, "make", env=_sizes())
    return client


def _move(stage: Stage, store: Store, way: Way, client: Container, direction: str, kind: str, figures: Figures) -> None:
    secure = way.gateway is not None and way.gateway.scheme == "https"
    env = {
        "MLFLOW_S3_ENDPOINT_URL": f"{'https' if secure else 'http'}://{way.hosts[0]}",
        "AWS_CA_BUNDLE": _AUTHORITY,
        "AWS_ACCESS_KEY_ID": STATIC_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": REGION,
        "BENCH_BUCKET": BUCKET,
        **_sizes(),
    }
    parts = [[way.gateway.container] if way.gateway else [], store.nodes]
    before = [sum(map(stage.cpu, part)) for part in parts]
    seconds, cpu = run(client, SCRIPT, "threads", direction, kind, env=env).split()
    gateway, minio = (sum(map(stage.cpu, part)) - its for part, its in zip(parts, before, strict=True))
    figures.seconds.append(float(seconds))
    figures.client.append(float(cpu))
    figures.gateway.append(gateway)
    figures.minio.append(minio)


def _row(kind: str, direction: str, name: str, figures: Figures, reference: Figures) -> list[str]:
    of_direct = ratios(reference.seconds, figures.seconds)
    goal = GOALS.get(name)
    met = "" if goal is None else "met" if median(of_direct) >= goal else "missed"
    row = [KINDS[kind], direction, name, f"{MEGABYTES[kind] / median(figures.seconds):.0f}", shown(of_direct), met]
    return [*row, shown(ratios(reference.cpu, figures.cpu)), *cpu_per_megabyte(MEGABYTES[kind], figures)]


def _sizes() -> dict[str, str]:
    return {"BENCH_MANY": str(MEGABYTES["many"]), "BENCH_ONE": str(MEGABYTES["one"])}
