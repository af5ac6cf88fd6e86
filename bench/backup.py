"""What a backup costs those who write, and what it needs itself.

Two stacks beside each other, one with a backup that is never idle for long and one with none, take turns under the same
load; whatever the backup still has to do is waited for before the other's turn, so that each pays for itself alone. Run
from the checkout with the tests' requirements: `python -m bench.backup`.
"""

import argparse
import datetime
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from bench.up import markdown, versions
from tests.e2e.conftest import Platform, brought_up

CLIENTS = 4
GOAL = 0.95
MEMORY_GOAL = 150
UPLOAD = os.urandom(5_000_000)
BUSY = {"to": "volume", "database_seconds": 1}
_END = 8192  # bytes of the log: zeros at its end are not seen
Act = Callable[[], None]


class Side:
    """One of the two stacks, with a user of it who has logged in."""

    def __init__(self, platform: Platform):
        self.platform = platform
        limits = httpx.Limits(max_connections=2 * CLIENTS)
        self._http = httpx.Client(base_url=platform.url, timeout=60, limits=limits, trust_env=False)
        self._s3 = platform.s3(self.log_in(), max_pool_connections=16)
        self._steps = iter(range(10**9))
        self._lock = threading.Lock()
        run = self._ask("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        self._metric = {"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1}

    def log_in(self) -> str:
        """The new token, which is good for a turn and longer."""
        token = self.platform.token("dev")
        self._http.headers["Authorization"] = f"Bearer {token}"
        return token

    def log_metric(self) -> None:
        self._ask("runs/log-metric", {**self._metric, "step": self._next()})

    def upload(self) -> None:
        self.put(f"bench/{self._next() % 20}", UPLOAD)

    def put(self, key: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self.platform.outputs["artifact_bucket"], Key=key, Body=content)

    def settle(self) -> None:
        """Waits until a backup has nothing left to do."""
        before = self.status()["last"]["id"]
        while (status := self.status())["last"]["id"] == before or (status["behind_bytes"] or 0) >= _END:
            time.sleep(1)

    def status(self) -> dict[str, Any]:
        return json.loads(self.platform.stack.run("backup", ["python", "-m", "platform_backup", "status"]))

    def backup(self) -> float:
        """Seconds that one takes which compares everything."""
        began = time.monotonic()
        self.platform.stack.run("backup", ["python", "-m", "platform_backup", "now"])
        return time.monotonic() - began

    def cpu(self) -> float:
        """Seconds of processor time that all of its containers and this process have used so far."""
        stats: Any = (container.stats(stream=False, one_shot=True) for container in self.platform.stack.containers())
        return time.process_time() + sum(found["cpu_stats"]["cpu_usage"]["total_usage"] for found in stats) / 1e9

    def _next(self) -> int:
        with self._lock:
            return next(self._steps)

    def _ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._http.post(f"/api/2.0/mlflow/{what}", json=body)
        answer.raise_for_status()
        return answer.json()


@dataclass(frozen=True)
class Turn:
    """What several clients at once did: how many a second, and by how many a second of processor time."""

    rate: float
    by_cpu: float


def turn(side: Side, act: Act, seconds: float) -> Turn:
    used = side.cpu()
    until = time.monotonic() + seconds

    def client(_: int) -> int:
        done = 0
        while time.monotonic() < until:
            act()
            done += 1
        return done

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        done = sum(pool.map(client, range(CLIENTS)))
    lasted = time.monotonic() - began
    return Turn(done / lasted, done / (side.cpu() - used))


def in_turns(kept: Side, bare: Side, acts: Sequence[Act], turns: int, seconds: float) -> list[tuple[Turn, Turn]]:
    """Pairs of turns, with a backup and without."""
    sides = list(zip((kept, bare), acts, strict=True))
    for side, act in sides:
        turn(side, act, 3)  # connections and caches
    pairs = []
    for number in range(turns):
        found = {}
        for side, act in sides[:: 1 if number % 2 else -1]:
            kept.settle()
            side.log_in()
            found[side] = turn(side, act, seconds)
        pairs.append((found[kept], found[bare]))
        print(f"   {found[kept]} beside {found[bare]}", file=sys.stderr, flush=True)
    return pairs


def row(what: str, pairs: Sequence[tuple[Turn, Turn]]) -> tuple[str, str]:
    mine, other = (median(side.rate for side in sides) for sides in zip(*pairs, strict=True))
    rates = sorted(one.rate / beside.rate for one, beside in pairs)
    by_cpu = sorted(one.by_cpu / beside.by_cpu for one, beside in pairs)
    return what, f"{mine:.1f}/s beside {other:.1f}/s: {judged(rates)}; by processor time {judged(by_cpu)}"


def judged(ratios: Sequence[float]) -> str:
    """Their median, from where to where they go, and whether the goal is met; `ratios` in order."""
    ratio = median(ratios)
    met = "met" if ratio >= GOAL else "missed"
    return f"{ratio:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}), goal {GOAL} {met}"


def megabytes(side: Side) -> float:
    """Of the backup's container, without the page cache, which the kernel gives back to whoever needs it.

    `docker stats` shows more: it counts what was read twice of that cache.
    """
    said: Any = side.platform.stack.container("backup").stats(stream=False)
    held = said["memory_stats"]["stats"]
    return (held.get("total_rss") or held["anon"]) / 1024**2


def increments(side: Side, objects: int) -> list[tuple[str, str]]:
    """What one change costs, with so many objects beside it and without."""

    def put(number: int) -> None:
        side.put(f"many/{number % 1000}/{number}", b"x" * 1000)

    alone = one_change(side)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, range(objects)))
    written = time.monotonic() - began
    while side.status()["last"]["counts"]["objects"] < objects:
        time.sleep(1)
    copied = time.monotonic() - began
    compared = side.backup()
    among = one_change(side)
    return [
        (f"{objects:,} objects of 1 kB", f"written in {written:.0f} s, at the place {copied - written:.0f} s later"),
        ("everything compared, nothing changed", f"{compared:.1f} s"),
        ("a round with one changed object", f"{among:.1f} s among these, {alone:.1f} s before they were there"),
        ("memory after that", f"{megabytes(side):.0f} MB"),
    ]


def one_change(side: Side) -> float:
    """Seconds that the round with it takes."""
    side.settle()
    before = side.status()["last"]["id"]
    side.put("many/0/0", os.urandom(1000))
    while (last := side.status()["last"])["id"] == before:
        time.sleep(0.2)
    began = datetime.datetime.strptime(last["id"], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=datetime.UTC)
    return time.time() - began.timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=20, help="each turn of each stack")
    parser.add_argument("--every", type=int, default=20, help="seconds from a round of artifacts to the next")
    parser.add_argument("--only", choices=["log_metric", "upload of 5 MB"], help="what is measured; else all")
    parser.add_argument("--objects", type=int, default=100_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="mlflow-platform-bench-") as folder,
        brought_up(Path(folder) / "kept", {"backup": {**BUSY, "artifacts_every": options.every}}) as kept_stack,
        brought_up(Path(folder) / "bare", {"backup": {"to": "none"}}) as bare_stack,
    ):
        kept, bare = (Side(Platform(stack, stack.outputs())) for stack in (kept_stack, bare_stack))
        kept.settle()
        rest = megabytes(kept)
        costs = [
            row(what, in_turns(kept, bare, acts, options.turns, options.seconds))
            for what, acts in (
                ("log_metric", (kept.log_metric, bare.log_metric)),
                ("upload of 5 MB", (kept.upload, bare.upload)),
            )
            if options.only in (None, what)
        ]
        costs.append(
            ("memory at rest", f"{rest:.0f} MB; goal {MEMORY_GOAL} {'met' if rest < MEMORY_GOAL else 'missed'}")
        )
        many = [] if options.only else increments(kept, options.objects)
    text = "\n".join(
        [
            markdown(
                f"A backup every {options.every} s beside none, {CLIENTS} clients, {options.seconds:.0f} s a turn",
                ("what", "rates and their ratio"),
                costs,
            ),
            markdown("Increments", ("what", "time"), many),
            markdown("Versions", ("what", "version"), versions()),
        ]
    )
    report = Path(__file__).parent / "results" / f"{datetime.date.today()}-backup.md"
    report.write_text(f"# What a backup costs, {datetime.date.today()}\n\n{text}")
    print(f"\n{text}\nwritten to {report}")


if __name__ == "__main__":
    main()
