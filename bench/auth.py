#!/usr/bin/env python3
"""What authentication costs: this plugin beside MLflow without any, MLflow's own and mlflow-oidc-auth; and what the
users' own credentials cost artifacts, beside MLflow's proxy and plain boto3.

All of them run in containers of the benchmark's own, on one PostgreSQL and one MinIO, and take turns under the same
load in short rounds, so that whatever else the machine does hits all alike. This takes about a quarter of an hour, and
12 GB of disk while it runs. The images are built from this checkout as it is.
"""

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
NOTES = """All servers: the same image, Python, uvicorn options, logging and number of workers; the user is no
administrator, may edit everything, and has a token that is good for all of the time. Requests go straight to the
server's container. "Of {reference}" is the median over the rounds of the ratio to the round beside it (in brackets
without the best and the worst round); CPU is the processor time of the server's container, which a busy machine hardly
changes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspaces", action="store_true", help="only what workspaces cost, beside none")
    parser.add_argument("--crowds", action="store_true", help="only requests, of bearers and browsers, and of crowds")
    options = parser.parse_args()
    if Path(sys.prefix) != ENVIRONMENT:
        python = ENVIRONMENT / "bin" / "python"
        if not python.exists():
            sys.exit("The benchmark stands on the tests' packages: `./platform test` installs them.")
        os.execv(python, [python, __file__, *sys.argv[1:]])
    sys.path[:0] = [str(ROOT), str(ROOT / "plugin")]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from side_by_side.stage import BenchError

    name, title, measured = ("auth", "Authentication and artifacts", compare)
    if options.workspaces:
        name, title, measured = ("workspaces", "What workspaces cost", compare_workspaces)
    elif options.crowds:
        name, title, measured = ("crowds", "Requests of few and of many", compare_crowds)
    try:
        text = measured()
    except BenchError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Interrupted; nothing is left behind.")
    report = ROOT / "bench" / "results" / f"{datetime.date.today()}-{name}.md"
    report.parent.mkdir(exist_ok=True)
    report.write_text(f"# {title}, {datetime.date.today()}\n\n{text}\n")
    print(f"\n{text}\n\nwritten to {report.relative_to(ROOT)}")


def compare() -> str:
    from side_by_side import answering, costs, moving
    from side_by_side.servers import CLIENT_PACKAGES, Servers
    from side_by_side.stage import Stage

    with Stage() as stage:
        stage.need_space(moving.DISK_GB)
        servers = Servers(stage)
        client = stage.add(servers.image, "mlflow-platform/bench-client", *CLIENT_PACKAGES)
        no_auth, oidc_auth, ours = servers.no_auth(), servers.oidc_auth(), servers.platform()
        proxy, basic_auth = servers.proxy(), servers.basic_auth()
        for server in (no_auth, oidc_auth, ours, proxy):
            server.wait()
        print("all servers are up", file=sys.stderr)

        contenders = [(each, answering.Data.made_by(each)) for each in (no_auth, basic_auth, oidc_auth, ours)]
        contenders.append((servers.in_browser(ours), contenders[-1][1]))
        requests = answering.answering(stage, contenders)
        layers = costs.costs({"no-auth": contenders[0], "platform": contenders[3]})
        transfers = moving.moving(stage, client, servers, platform=ours, proxy=proxy, no_auth=no_auth)
    return "\n\n".join(
        [
            NOTES.format(reference="no auth"),
            "## Requests",
            table(answering.heading("no auth"), requests),
            "## Where a request's processor time goes",
            table(costs.HEADING, layers),
            "## Artifacts",
            table(moving.HEADING, transfers),
            "## Versions",
            table(["what", "version"], versions()),
        ]
    )


def compare_crowds() -> str:
    from side_by_side import answering
    from side_by_side.servers import Servers
    from side_by_side.stage import Stage

    with Stage() as stage:
        servers = Servers(stage)
        no_auth, ours = servers.no_auth(), servers.platform()
        for server in (no_auth, ours):
            server.wait()
        contenders = [(each, answering.Data.made_by(each)) for each in (no_auth, ours)]
        contenders.append((servers.in_browser(ours), contenders[-1][1]))
        rows = answering.answering(stage, contenders, answering.CLIENTS + answering.CROWDS)
    return "\n\n".join(
        [
            NOTES.format(reference="no auth"),
            "An answer that is an error ends the benchmark, so that there was none.",
            table(answering.heading("no auth"), rows),
            "## Versions",
            table(["what", "version"], versions()),
        ]
    )


def compare_workspaces() -> str:
    from side_by_side import answering
    from side_by_side.servers import Servers
    from side_by_side.stage import Stage

    with Stage() as stage:
        servers = Servers(stage)
        pair = [servers.platform("without"), servers.platform("within", workspaces=("vision", "nlp", "default"))]
        for server in pair:
            server.wait()
        rows = answering.answering(stage, [(each, answering.Data.made_by(each)) for each in pair])
    return "\n\n".join(
        [
            NOTES.format(reference="without"),
            table(answering.heading("without"), rows),
            "## Versions",
            table(["what", "version"], versions()),
        ]
    )


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, ["---"] * len(heading), *rows])


def versions() -> list[tuple[str, str]]:
    from side_by_side.servers import MLFLOW, OIDC_AUTH, WORKERS

    def output_of(*command: str) -> str:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()

    changed = " with changes" if output_of("git", "status", "--porcelain", "--", "plugin") else ""
    return [
        ("commit", output_of("git", "rev-parse", "--short", "HEAD") + changed),
        ("machine", f"{os.cpu_count()} CPUs, {platform.machine()}, Linux {platform.release()}"),
        ("Docker", output_of("docker", "version", "--format", "{{.Server.Version}}")),
        ("Python in the containers", "3.13"),
        ("MLflow, of all", MLFLOW),
        ("mlflow-oidc-auth", OIDC_AUTH),
        ("workers of each", str(WORKERS)),
    ]


if __name__ == "__main__":
    main()
