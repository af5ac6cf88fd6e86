"""What the gateway costs reads of MLflow, which are small and answered slowly."""

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median

from side_by_side.answering import EXPERIMENTS, READ, Figures
from side_by_side.gateways import MLFLOW, Gateway, Gateways, kept_connections
from side_by_side.load import Tls, load, request
from side_by_side.objects import shown
from side_by_side.servers import Servers
from side_by_side.stage import Stage

CLIENTS: Sequence[int] = (4, 32)
SECONDS = 3.0
GOALS = {"gateway, http": 0.95, "gateway, https": 0.85}
HEADING = [
    "request",
    "clients",
    "way",
    "requests/s",
    "of direct",
    "goal",
    "p50 ms",
    "p99 ms",
    "CPU ms a request, MLflow",
    "CPU ms a request, gateway",
]


class Way:
    """Where requests go, and what they cost there."""

    def __init__(self, address: tuple[str, int], tls: Tls | None, gateway: Gateway | None):
        self.address, self.tls, self.gateway = address, tls, gateway
        self.figures = {clients: Figures() for clients in CLIENTS}  # with MLflow's CPU
        self.cpu = dict.fromkeys(CLIENTS, 0.0)  # the gateway's


def reading(stage: Stage, servers: Servers, gateways: Gateways, rounds: int) -> list[list[str]]:
    """The rows of the table."""
    mlflow = servers.platform("mlflow", MLFLOW)
    mlflow.wait()
    for number in range(EXPERIMENTS):
        mlflow.ask("experiments/create", {"name": f"experiment {number}"})
    headers = {name: value for name, value in mlflow.headers.items() if name != "Host"}
    asked = request(MLFLOW, "POST", f"/api/2.0/mlflow/{READ}", headers, {"max_results": EXPERIMENTS})
    make: Callable[[int], bytes] = lambda client: asked  # noqa: E731
    tls = Tls(MLFLOW, gateways.trusting())
    ways = {"direct": Way(mlflow.address, None, None)}
    for what, edits in (("gateway", ()), ("kept upstream connections", kept_connections("mlflow:5000"))):
        for scheme in ("http", "https"):
            gateway = gateways.get(scheme, edits)
            ways[f"{what}, {scheme}"] = Way(
                (gateway.address, gateway.port), tls if scheme == "https" else None, gateway
            )
    for way in ways.values():
        load(way.address, make, max(CLIENTS), SECONDS, way.tls)
    for clients in CLIENTS:
        for turn in range(rounds):
            names = list(ways)
            for name in [*names[turn % len(ways) :], *names[: turn % len(ways)]]:
                way = ways[name]
                before = stage.cpu(mlflow.container), stage.cpu(way.gateway.container) if way.gateway else 0.0
                way.figures[clients].rounds.append(load(way.address, make, clients, SECONDS, way.tls))
                way.figures[clients].cpu += stage.cpu(mlflow.container) - before[0]
                way.cpu[clients] += stage.cpu(way.gateway.container) - before[1] if way.gateway else 0.0
        print(f"{READ} by {clients} clients: done", file=sys.stderr)
    return [_row(ways, name, clients) for clients in CLIENTS for name in ways]


def _row(ways: Mapping[str, Way], name: str, clients: int) -> list[str]:
    figures, reference = ways[name].figures[clients], ways["direct"].figures[clients]
    ratios = figures.ratios(reference)
    goal = GOALS.get(name)
    count = sum(len(each.latencies) for each in figures.rounds)
    return [
        READ,
        str(clients),
        name,
        f"{figures.rate:.0f}",
        shown(ratios),
        "" if goal is None else "met" if median(ratios) >= goal else "missed",
        f"{figures.latency(0.5) * 1000:.1f}",
        f"{figures.latency(0.99) * 1000:.1f}",
        f"{figures.cpu_per_request * 1000:.2f}",
        f"{ways[name].cpu[clients] * 1000 / count:.2f}",
    ]
