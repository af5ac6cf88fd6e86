#!/usr/bin/env python3
"""What the gateway costs by http and by https, beside none: objects up and down, MLflow's reads, and handshakes.

All of it runs in containers of the benchmark's own, with the configuration that the program gives the gateway; the ways
take turns in short rounds, so that whatever else the machine does hits all alike. This takes about half an hour, and
10 GB of disk while it runs. The images are built from this checkout as it is.
"""

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from side_by_side.stage import Stage

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
DISK_GB = 10.0
NOTES = """The client is on the same machine and reaches all containers at their own addresses, without Docker's proxy
between; "direct" is MinIO's servers (in turn, where there are four) or MLflow, by http. "Of direct" is the median over
the rounds of the ratio to the direct round beside it (in brackets from the least to the most; from five rounds on
without those two), above 1 is faster. "By CPU" compares megabytes a processor second of gateway, MinIO and client
together instead: on a machine whose cores all of them share that is what throughput comes down to, and what else runs
there hardly changes it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of each way (default: 7)")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"there is no part {min(unknown)}")
    if Path(sys.prefix) != ENVIRONMENT:
        python = ENVIRONMENT / "bin" / "python"
        if not python.exists():
            sys.exit("The benchmark stands on the tests' packages: `./platform test` installs them.")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    sys.path[:0] = [str(ROOT), str(ROOT / "plugin")]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from side_by_side.stage import BenchError

    try:
        for part in PARTS:
            if part in options.parts or not options.parts:
                write(PARTS[part](options.rounds))
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted; nothing is left behind but the report of the parts that were done.")


def write(section: str) -> None:
    report = ROOT / "bench" / "results" / f"{datetime.date.today()}-gateway.md"
    report.parent.mkdir(exist_ok=True)
    sections = merged(report.read_text() if report.exists() else "", section)
    text = "\n\n".join([NOTES, *sections, "## Versions", table(["what", "version"], versions())])
    report.write_text(f"# The gateway, {datetime.date.today()}\n\n{text}\n")
    print(f"\n{section}\n\nwritten to {report.relative_to(ROOT)}", flush=True)


def merged(report: str, section: str) -> list[str]:
    """The sections of a report of the same day, with this one in the place of that of the same title."""
    texts = [f"## {text}".strip() for text in report.split("\n## ")[1:]]
    known = {text.splitlines()[0]: text for text in [*texts, section]}
    known.pop("## Versions", None)
    return list(known.values())


def objects(nodes: int, drives: int, rounds: int) -> str:
    from side_by_side.gateways import Gateways
    from side_by_side.objects import HEADING, Mover, shape_rows
    from side_by_side.stage import Stage
    from side_by_side.store import Store

    with Stage() as stage:
        stage.need_space(DISK_GB)
        store, gateways = Store.started(stage, nodes, drives), Gateways(stage)
        rows = shape_rows(Mover(stage, gateways, store), store, gateways, rounds)
    return f"## Objects, {nodes} x {drives} (nodes and drives of each)\n\n{table(HEADING, rows)}"


def boto3(rounds: int) -> str:
    from side_by_side.by_boto3 import HEADING, by_boto3
    from side_by_side.gateways import Gateways
    from side_by_side.stage import Stage
    from side_by_side.store import Store

    with Stage() as stage:
        stage.need_space(DISK_GB)
        store, gateways = Store.started(stage, 1, 1), Gateways(stage)
        rows = by_boto3(stage, python_image(stage), gateways, store, rounds)
    return f"## Objects by boto3, 1 x 1\n\n{table(HEADING, rows)}"


def knobs(rounds: int) -> str:
    from side_by_side.gateways import Gateways
    from side_by_side.objects import KNOB_HEADING, Mover, knob_rows
    from side_by_side.stage import Stage
    from side_by_side.store import Store

    with Stage() as stage:
        stage.need_space(DISK_GB)
        store, gateways = Store.started(stage, 1, 1), Gateways(stage)
        rows = knob_rows(Mover(stage, gateways, store), gateways, rounds)
    return f"## What else the gateway could be\n\n{table(KNOB_HEADING, rows)}"


def shaking(rounds: int) -> str:
    from side_by_side.gateways import Gateways
    from side_by_side.handshakes import HEADING, handshakes
    from side_by_side.stage import Stage

    with Stage() as stage:
        rows = handshakes(stage, python_image(stage), Gateways(stage), rounds)
    return f"## Handshakes, ECDSA on P-256\n\n{table(HEADING, rows)}"


def reads(rounds: int) -> str:
    from side_by_side.gateways import Gateways
    from side_by_side.reading import HEADING, reading
    from side_by_side.servers import Servers
    from side_by_side.stage import Stage

    with Stage() as stage:
        rows = reading(stage, Servers(stage), Gateways(stage), rounds)
    return f"## MLflow's reads\n\n{table(HEADING, rows)}"


def python_image(stage: "Stage") -> str:
    """One with Python and boto3: MLflow's."""
    from components.images import BASE, PINS

    return stage.build(PINS["mlflow"], "mlflow-platform/bench-mlflow", BASE["local"])


PARTS: Mapping[str, Callable[[int], str]] = {
    "1x1": partial(objects, 1, 1),
    "4x2": partial(objects, 4, 2),
    "boto3": boto3,
    "knobs": knobs,
    "handshakes": shaking,
    "reads": reads,
}


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, ["---"] * len(heading), *rows])


def versions() -> list[tuple[str, str]]:
    from components.images import PINS

    def output_of(*command: str) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    def in_image(*command: str) -> str:
        image = f"mlflow-platform/bench-{command[0]}"
        done = subprocess.run(
            ["docker", "run", "--rm", "--entrypoint", "sh", image, "-c", command[1]],
            capture_output=True,
            text=True,
            check=True,
        )
        return (done.stdout + done.stderr).strip().splitlines()[0]

    changed = " with changes" if output_of("git", "status", "--porcelain", "--", "components", "images") else ""
    return [
        ("commit", output_of("git", "rev-parse", "--short", "HEAD") + changed),
        ("machine", f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}"),
        ("Docker", output_of("docker", "version", "--format", "{{.Server.Version}}")),
        ("NGINX", in_image("nginx", "nginx -v")),
        ("OpenSSL of NGINX", in_image("nginx", "nginx -V 2>&1 | grep -o 'OpenSSL.*'")),
        ("client", in_image("nginx", "curl --version")),
        ("MinIO", PINS["minio"].tag),
        ("MLflow", PINS["mlflow"].tag),
    ]


if __name__ == "__main__":
    main()
