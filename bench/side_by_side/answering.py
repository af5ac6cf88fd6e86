"""Requests per second of each server, in rounds that take turns."""

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from side_by_side.load import Round, load, request
from side_by_side.servers import Server
from side_by_side.stage import Stage

CLIENTS = (4, 32)
ROUNDS = 8
SECONDS = 2.5
CROWDS = (40, 300)
OF_A_CROWD = 2  # times as long, and as much fewer rounds: each of so many clients is to have several answers
FAIR = 3  # times the median that the slowest one in a hundred may wait in a crowd
EXPERIMENTS = 10
GOAL = 0.9
READ = "experiments/search"
WRITE = "runs/log-metric"


@dataclass(frozen=True)
class Data:
    """What a server's database has in it: the same in each."""

    experiment: str
    runs: list[str]  # one per client, as trainings at the same time have it: on one they would wait for each other

    @classmethod
    def made_by(cls, server: Server) -> "Data":
        names = [f"experiment {number}" for number in range(EXPERIMENTS)]
        experiments = [server.ask("experiments/create", {"name": name})["experiment_id"] for name in names]
        body = {"experiment_id": experiments[0], "start_time": 1}
        runs = [server.ask("runs/create", body)["run"]["info"]["run_id"] for _ in range(max(CLIENTS + CROWDS))]
        return cls(experiments[0], runs)


class Load:
    """What one server is asked for."""

    def __init__(self, server: Server, data: Data):
        self.server = server
        self._runs = data.runs
        self._read = self._request(READ, {"max_results": EXPERIMENTS})
        self._steps = itertools.count(time.time_ns() // 1000)  # a metric that is there already takes another way

    def read(self, client: int) -> bytes:
        return self._read

    def write(self, client: int) -> bytes:
        metric = {"key": "loss", "value": 0.5, "timestamp": 1, "step": next(self._steps)}
        return self._request(WRITE, {"run_id": self._runs[client], **metric})

    def _request(self, path: str, body: dict[str, Any]) -> bytes:
        return request(self.server.host, "POST", f"/api/2.0/mlflow/{path}", self.server.headers, body)


@dataclass
class Figures:
    """All rounds of one server under one load."""

    rounds: list[Round] = field(default_factory=list)
    cpu: float = 0  # seconds of the server's container

    @property
    def rate(self) -> float:
        return median(each.rate for each in self.rounds)

    @property
    def cpu_per_request(self) -> float:
        return self.cpu / sum(len(each.latencies) for each in self.rounds)

    def latency(self, share: float) -> float:
        latencies = sorted(latency for each in self.rounds for latency in each.latencies)
        return latencies[int(share * (len(latencies) - 1))]

    def ratios(self, reference: "Figures") -> list[float]:
        """To the reference's round beside each."""
        return sorted(mine.rate / its.rate for mine, its in zip(self.rounds, reference.rounds, strict=True))


def answering(
    stage: Stage, servers: Sequence[tuple[Server, Data]], numbers: Sequence[int] = CLIENTS
) -> list[list[str]]:
    """The rows of the table, for so many clients each; the first server is what the others are compared with."""
    loads = [Load(server, data) for server, data in servers]
    for each in loads:
        for make in (each.read, each.write):
            load(each.server.address, make, max(CLIENTS), SECONDS)  # connections, caches, compiled statements
    rows = []
    for what, clients in itertools.product((READ, WRITE), numbers):
        length = OF_A_CROWD if clients in CROWDS else 1
        found = {each.server.name: Figures() for each in loads}
        for turn in range(ROUNDS // length):
            start = turn % len(loads)
            for each in loads[start:] + loads[:start]:
                figures, before = found[each.server.name], stage.cpu(each.server.container)
                make = each.read if what == READ else each.write
                figures.rounds.append(load(each.server.address, make, clients, length * SECONDS))
                figures.cpu += stage.cpu(each.server.container) - before
        reference = found[loads[0].server.name]
        rows += [row(what, clients, name, figures, reference) for name, figures in found.items()]
        busy = max(each.busy for figures in found.values() for each in figures.rounds)
        print(f"{what} by {clients} clients is done; the load generator took {busy:.0%} of a core", file=sys.stderr)
    return rows


def row(what: str, clients: int, name: str, figures: Figures, reference: Figures) -> list[str]:
    ratios = figures.ratios(reference)
    ratio = median(ratios)
    spread = f"{ratio:.2f} ({ratios[1]:.2f} to {ratios[-2]:.2f})"  # without the best and the worst
    p50, p99 = figures.latency(0.5), figures.latency(0.99)
    reached = p99 < FAIR * p50 if clients in CROWDS else ratio >= GOAL
    goal = ("met" if reached else "missed") if name.startswith("this plugin") else ""
    return [
        what,
        str(clients),
        name,
        f"{figures.rate:.0f}",
        "1" if figures is reference else spread,
        goal,
        f"{p50 * 1000:.1f}",
        f"{p99 * 1000:.1f}",
        f"{figures.cpu_per_request * 1000:.2f}",
        f"{reference.cpu_per_request / figures.cpu_per_request:.2f}",
    ]


def heading(reference: str) -> list[str]:
    """Of the table; `reference` is what the first server is called there."""
    return [
        "request",
        "clients",
        "server",
        "requests/s",
        f"of {reference}",
        f"goal {GOAL}; of crowds p99 < {FAIR} p50",
        "p50 ms",
        "p99 ms",
        "CPU ms a request",
        f"of {reference}, by CPU",
    ]
