#!/usr/bin/env python3
"""How long `./platform up` takes, and what the platform then needs at rest.

Works on a fresh clone of this checkout's last commit with a state of its own, through the launcher's command line only,
and destroys what it made. `--cold` starts from empty caches, which takes minutes: the user's own are left alone, and
the base image gets a new identity, so that Docker's layers count for nothing.
"""

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASE_IMAGE = "mlflow-platform/base:trixie"
STACK_LABEL = "mlflow-platform.stack"


@dataclass(frozen=True)
class Run:
    """One command of the launcher: how long it took, and the steps that it reported with their times."""

    seconds: float
    steps: list[tuple[str, str]] = field(default_factory=list)


class Clone:
    """A fresh clone, and the environment that its launcher runs in."""

    def __init__(self, folder: Path, environment: Mapping[str, str]):
        self._folder = folder
        self._environment = {**os.environ, **environment}
        subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)

    def run(self, *arguments: str) -> Run:
        """Runs the launcher; its output goes to the terminal, and a failure ends the benchmark."""
        print(f"== ./platform {' '.join(arguments)}", flush=True)
        started = time.monotonic()
        with subprocess.Popen(
            ["./platform", *arguments], cwd=self._folder, env=self._environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr
            lines = [self._shown(line) for line in process.stderr]
        if process.returncode:
            sys.exit(f"./platform {' '.join(arguments)} failed, so there is nothing to measure.")
        found = (re.fullmatch(r" ✓ (.+): ([\d.]+ (?:s|min(?: \d+ s)?))", line.rstrip()) for line in lines)
        return Run(time.monotonic() - started, [(step[1], step[2]) for step in found if step])

    @staticmethod
    def _shown(line: str) -> str:
        print(line, end="", file=sys.stderr, flush=True)
        return line


def output_of(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def memory(stack: str) -> list[tuple[str, str]]:
    """Each container's memory as `docker stats` shows it (without the page cache that could be given back)."""
    ids = output_of("docker", "ps", "--quiet", "--filter", f"label={STACK_LABEL}={stack}").split()
    lines = output_of("docker", "stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}", *ids).splitlines()
    return sorted((name, usage) for name, _, usage in (line.partition("\t") for line in lines))


def versions() -> list[tuple[str, str]]:
    names = {"pulumi", "pulumi-docker", "pulumi-keycloak", "pulumi-minio", "pulumi-postgresql", "pulumi-random"}
    pins = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements" / "platform.txt").read_text(), re.MULTILINE)
    return [
        ("commit", output_of("git", "rev-parse", "--short", "HEAD")),
        ("machine", f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}"),
        ("Python", platform.python_version()),
        ("Docker", output_of("docker", "version", "--format", "{{.Server.Version}}")),
        *((name, version) for name, version in pins if name in names),
    ]


def markdown(title: str, heading: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {heading[0]} | {heading[1]} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join([f"## {title}", "", *lines, ""])


def measure(clone: Clone, stack: str, rest: float, *, cold: bool) -> str:
    option = ("--stack", stack)
    times: list[tuple[str, str]] = []
    steps: list[tuple[str, str]] = []

    def timed(what: str, *arguments: str) -> Run:
        run = clone.run(*arguments, *option)
        times.append((what, f"{run.seconds:.1f} s"))
        return run

    try:
        steps = timed("up, cold: fresh clone, empty caches" if cold else "up, fresh clone", "up").steps
        timed("destroy", "destroy", "--yes", "--delete-data")
        timed("up, warm, after destroy", "up")
        timed("up, nothing to do", "up")
        timed("preview, nothing to do", "preview")
        time.sleep(rest)
        parts = memory(stack)
    finally:
        clone.run("destroy", "--yes", "--delete-data", *option)
    return "\n".join(
        [
            markdown("Times", ("what", "time"), times),
            markdown("Steps of the first up", ("step", "time"), steps),
            markdown(f"Memory {rest:.0f} s after up", ("container", "used / limit"), parts),
            markdown("Versions", ("what", "version"), versions()),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cold", action="store_true", help="start from empty caches (10 to 20 minutes)")
    parser.add_argument("--stack", default="dev", help="whose settings are used (default: dev)")
    parser.add_argument("--rest", type=float, default=60, metavar="SECONDS", help="wait before memory is read")
    options = parser.parse_args()
    if output_of("docker", "ps", "--all", "--quiet", "--filter", f"label={STACK_LABEL}={options.stack}"):
        sys.exit(
            f"Stack {options.stack} is up on this machine, and would be in the way: choose another --stack, or give it "
            "up with its data by ./platform destroy --delete-data."
        )

    with tempfile.TemporaryDirectory(prefix="mlflow-platform-bench-") as temporary:
        environment = {}
        if options.cold:
            caches = {"XDG_CACHE_HOME": "", "GOCACHE": "go-build", "GOMODCACHE": "go-mod"}
            environment = {name: f"{temporary}/cache/{folder}" for name, folder in caches.items()}
            environment["GOFLAGS"] = "-modcacherw"  # or the folder could not be deleted
            subprocess.run(["docker", "image", "rm", "--force", BASE_IMAGE], stdout=subprocess.DEVNULL, check=False)
        clone = Clone(Path(temporary) / "clone", environment)
        text = measure(clone, options.stack, options.rest, cold=options.cold)

    report = ROOT / "bench" / "results" / f"{datetime.date.today()}-up{'-cold' if options.cold else ''}.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text(f"# ./platform up, {datetime.date.today()}\n\n{text}")
    print(f"\n{text}\nwritten to {report.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
