"""Artifacts up and down by the client's S3 client, beside boto3 with as many threads and beside rclone.

One MinIO in a container, at its own address; the ways take turns in rounds, each in a new process. Run from the
checkout with the tests' requirements: `python -m bench.transfers` (rclone is the one on PATH, if any).
"""

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from side_by_side.servers import BUCKET, SECRET, STATIC_KEY  # noqa: E402
from side_by_side.stage import Stage  # noqa: E402
from side_by_side.store import REGION, Store  # noqa: E402

from bench.up import markdown, output_of, versions  # noqa: E402

THREADS = 16
MOVER = str(ROOT / "bench/side_by_side/transfer.py")
MEGABYTES = {"many": 200, "one": 1000}
KINDS = {"many": f"200 x 1 MB, {THREADS} at once", "one": "1 x 1000 MB"}
OURS, BOTO3, RCLONE = "ours", "boto3", "rclone"
SCRIPTS = {OURS: "ours", BOTO3: "threads"}  # the mover's names
NOTES = """Each figure is of a process of its own: the time without its start and imports (rclone's with both), the
processor's time and the most memory with them. The ratio is the median over the rounds of the one way's time through
that of ours beside it, in brackets from the least to the most. MinIO is on the same machine, by http."""
GOALS = {
    (BOTO3, "many", "up"): 1.3,
    (BOTO3, "many", "down"): 1.8,
    (BOTO3, "one", "up"): 1.1,
    (BOTO3, "one", "down"): 1.1,
    **{(RCLONE, kind, direction): 1.0 for kind in KINDS for direction in ("up", "down")},
}


@dataclass
class Figures:
    """All rounds of one way, in seconds, and the most memory of a process of it in MB."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: float = 0


class Bench:
    """The server, the files and the environment that all ways have."""

    def __init__(self, store: Store, folder: Path):
        self._folder = folder
        endpoint = f"http://{store.addresses[0]}"
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")},
            "PYTHONPATH": str(ROOT / "plugin"),
            "BENCH_FOLDER": str(folder),
            "BENCH_THREADS": str(THREADS),
            "BENCH_BUCKET": BUCKET,
            "BENCH_MANY": str(MEGABYTES["many"]),
            "BENCH_ONE": str(MEGABYTES["one"]),
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": STATIC_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Minio",
            "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG_STORE_ENDPOINT": endpoint,
            "RCLONE_CONFIG_STORE_NO_CHECK_BUCKET": "true",
        }
        self._run(sys.executable, MOVER, "make", figures=Figures())

    def move(self, way: str, direction: str, kind: str, figures: Figures) -> None:
        here, there = self._folder / "files" / kind, f"store:{BUCKET}/rclone/{kind}"
        back = self._folder / "back"
        if way == RCLONE:
            files = [str(here), there] if direction == "up" else [there, str(back)]
            started = time.perf_counter()
            self._run("rclone", "copy", "--ignore-times", "--transfers", str(THREADS), *files, figures=figures)
            figures.seconds.append(time.perf_counter() - started)
            shutil.rmtree(back, ignore_errors=True)
        else:
            printed = self._run(sys.executable, MOVER, SCRIPTS[way], direction, kind, figures=figures)
            figures.seconds.append(float(printed.split()[0]))

    def _run(self, *command: str, figures: Figures) -> str:
        with subprocess.Popen(command, env=self._env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            while True:
                figures.memory = max(figures.memory, peak(process.pid))
                done, status, used = os.wait4(process.pid, os.WNOHANG)
                if done:
                    break
                time.sleep(0.02)
            process.returncode = os.waitstatus_to_exitcode(status)
            printed = process.stdout.read()
        if process.returncode:
            sys.exit(f"{command[0]} {command[1]} failed, so there is nothing to measure.")
        figures.cpu.append(used.ru_utime + used.ru_stime)
        return printed


def peak(pid: int) -> float:
    """The most MB that a process had so far; what `wait4` tells counts its parent's, from before it was started."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0)


def measured(rounds: int, ways: list[str]) -> list[tuple[str, ...]]:
    found = {(way, kind, to): Figures() for kind in KINDS for to in ("up", "down") for way in ways}
    with Stage() as stage, tempfile.TemporaryDirectory(prefix="mlflow-platform-bench-") as folder:
        bench = Bench(Store.started(stage, nodes=1, drives=1), Path(folder))
        for turn in range(rounds):
            for kind in KINDS:
                for number in range(len(ways)):
                    way = ways[(turn + number) % len(ways)]
                    for direction in ("up", "down"):
                        bench.move(way, direction, kind, found[way, kind, direction])
            print(f"round {turn + 1} of {rounds}: done", file=sys.stderr, flush=True)
    return [row(key, figures, found[OURS, *key[1:]]) for key, figures in found.items()]


def row(key: tuple[str, str, str], figures: Figures, ours: Figures) -> tuple[str, ...]:
    way, kind, direction = key
    faster = sorted(its / mine for its, mine in zip(figures.seconds, ours.seconds, strict=True))
    goal = GOALS.get(key)
    return (
        KINDS[kind],
        direction,
        way,
        f"{median(figures.seconds):.2f} s, {MEGABYTES[kind] / median(figures.seconds):.0f} MB/s",
        "" if way == OURS else f"{median(faster):.2f} ({faster[0]:.2f} to {faster[-1]:.2f})",
        "" if goal is None else f"{goal} {'met' if median(faster) >= goal else 'missed'}",
        f"{median(figures.cpu):.2f} s",
        f"{figures.memory:.0f} MB",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of each way (default: 7)")
    options = parser.parse_args()
    has_rclone = shutil.which("rclone") is not None
    rows = measured(options.rounds, [OURS, BOTO3, *([RCLONE] if has_rclone else [])])
    heading = ("files", "direction", "way", "median", "ours is so many times as fast", "goal", "CPU", "memory")
    lines = ["| " + " | ".join(cells) + " |" for cells in (heading, ("---",) * len(heading), *rows)]
    used = [*versions(), *((name, version(name)) for name in ("boto3", "s3transfer", "obstore"))]
    if has_rclone:
        used.append(("rclone", output_of("rclone", "version").split()[1]))
    text = "\n".join([NOTES, "", *lines, "", markdown("Versions", ("what", "version"), used)])
    report = ROOT / "bench/results" / f"{datetime.date.today()}-transfers.md"
    report.write_text(f"# Artifacts up and down, {datetime.date.today()}\n\n{text}")
    print(f"\n{text}\nwritten to {report.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
