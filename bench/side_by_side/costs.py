"""Where the plugin's part of a request goes, in processor time and SQL statements."""

import json
from pathlib import Path
from typing import Any

from side_by_side.answering import EXPERIMENTS, READ, WRITE, Data
from side_by_side.servers import Server
from side_by_side.stage import run

SCRIPT = Path(__file__).with_name("layers.py")
HEADING = [
    "request",
    "server",
    "CPU ms",
    "the gate",
    "before MLflow's own code",
    "after it",
    "SQL, permissions",
    "SQL, records",
]


def costs(servers: dict[str, tuple[Server, Data]]) -> list[list[str]]:
    """The rows of the table, by the name that layers.py has for a server."""
    found = {
        which: json.loads(run(server.container, SCRIPT, which, json.dumps(_requests(server, data))))
        for which, (server, data) in servers.items()
    }
    return [[what, servers[which][0].name, *_cells(found[which][what])] for what in (READ, WRITE) for which in servers]


def _requests(server: Server, data: Data) -> dict[str, Any]:
    metric = {"run_id": data.runs[0], "key": "loss", "value": 0.5, "timestamp": 2, "step": 0}
    common = {"method": "POST", "headers": {**server.headers, "host": server.host}}
    return {
        what: {**common, "path": f"/api/2.0/mlflow/{what}", "body": body}
        for what, body in ((READ, {"max_results": EXPERIMENTS}), (WRITE, metric))
    }


def _cells(figures: dict[str, float]) -> list[str]:
    times = [f"{figures[name]:.2f}" if name in figures else "" for name in ("all", "gate", "before", "after")]
    return [*times, *(f"{figures.get(f'SQL, {name}', 0):.1f}" for name in ("permissions", "records"))]
