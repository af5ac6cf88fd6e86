"""Prints every (method, path) of MLflow's app, Flask's rules and native routes alike."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from mlflow.server import app as flask_app
from mlflow_platform.server.app import create_app
from mlflow_platform.server.credentials.endpoints import DISCOVERY, SESSION
from mlflow_platform.server.within.bodies import Bodies
from starlette.routing import Mount


def native(routes: Iterable[Any]) -> Iterator[tuple[set[str], str]]:
    for route in routes:
        if hasattr(route, "effective_candidates"):  # an included router, in FastAPI since 0.150 or so
            yield from native(route.effective_candidates())
        elif not isinstance(route, Mount):
            yield set(route.methods), route.path


def main() -> None:
    limited = create_app().mlflow
    assert isinstance(limited, Bodies)
    mlflow = limited.app
    assert isinstance(mlflow, FastAPI)
    rules = [(rule.methods or set(), rule.rule) for rule in flask_app.url_map.iter_rules()]
    own = [({"POST"}, SESSION), ({"GET"}, DISCOVERY)]
    everything = [*rules, *native(mlflow.routes), *own]
    print(json.dumps(sorted({(method, path) for methods, path in everything for method in methods})))


if __name__ == "__main__":
    main()
