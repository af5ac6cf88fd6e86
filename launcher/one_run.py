"""One run out of a backup, with all that hangs on it: rows from the recovered records, artifacts from the place."""

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from launcher.console import Failure, done, step
from launcher.exchange import Target, bring_artifacts
from launcher.restore import Found, Restore
from launcher.state import State

ID = re.compile(r"[0-9a-f]{32}")
_DATABASE = "mlflow"
_REFERRING = """
    SELECT coalesce(json_agg(json_build_array(conrelid::regclass::text, mine.attname)), '[]')
    FROM pg_constraint
    JOIN pg_attribute mine ON mine.attrelid = conrelid AND mine.attnum = conkey[1]
    WHERE contype = 'f' AND confrelid = '{table}'::regclass AND array_length(conkey, 1) = 1
"""
_COLUMNS = """
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
"""
_PLACES = """
    SELECT json_agg(uri) FROM (
        SELECT artifact_uri AS uri FROM runs WHERE run_uuid = '{run}'
        UNION ALL SELECT artifact_location FROM logged_models WHERE source_run_id = '{run}'
    ) AS uris
"""


@dataclass(frozen=True)
class _Server:
    """A PostgreSQL that is asked inside of its container, where no password is needed."""

    container: str
    host: tuple[str, ...] = ()

    def ask(self, query: str, *, stdin: str = "") -> str:
        command = ["psql", *self.host, "--username=postgres", f"--dbname={_DATABASE}", "-qAtX", "-v", "ON_ERROR_STOP=1"]
        asked = ["--command", query] if query else []
        asking = ["docker", "exec", "--interactive", self.container, *command, *asked]
        done = subprocess.run(asking, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"the run's rows cannot be copied: {done.stderr.strip().splitlines()[0]}")
        return done.stdout.rstrip("\n")


def bring(target: Target, restoring: Restore, found: Found, state: State, run: str) -> None:
    """Adds it to the running stack, which goes on meanwhile; what is there already is not touched."""
    if not (there := state.container("postgres")):
        raise Failure(f"Stack {target.stack.name} does not run: ./platform up first, or restore all of it.")
    live = _Server(there.id)
    if stage := live.ask(f"SELECT lifecycle_stage FROM runs WHERE run_uuid = '{run}'"):
        how = "mlflow.tracking.MlflowClient().restore_run brings it back" if stage == "deleted" else "it is not deleted"
        raise Failure(f"Run {run} is there: {how}.")
    recovery = target.recovery(restoring.image)
    if recovery.exchanged():
        raise Failure(f"A restore of stack {target.stack.name} is unfinished: ask for it again, or --undo it, first.")
    restoring.fetch(recovery)
    try:
        with recovery.running() as folder:
            old = _Server(recovery.name, (f"--host={folder}",))
            if not old.ask(f"SELECT 1 FROM runs WHERE run_uuid = '{run}'"):
                raise Failure(f"The backup of {found.when} has no run {run}; another --at may have it.")
            places = json.loads(old.ask(_PLACES.format(run=run)))
            with step(f"bring back run {run}"):
                live.ask("", stdin="".join(_script(old, run)))
    finally:
        recovery.forget_before()
    for place in places:
        bring_artifacts(restoring, target.stack.name, state, below=place.partition("://")[2].partition("/")[2])
    done(f"run {run} is back, as of {found.when} or later")


def _script(old: _Server, run: str) -> Iterator[str]:
    """One transaction: the experiment if it is gone, the run, its models, and whatever refers to these."""
    experiment = f"(SELECT experiment_id FROM runs WHERE run_uuid = '{run}')"
    models = f"(SELECT model_id FROM logged_models WHERE source_run_id = '{run}')"
    datasets = f"(SELECT source_id FROM inputs WHERE destination_id = '{run}')"
    inputs = f"(SELECT input_uuid FROM inputs WHERE destination_id = '{run}')"
    parts = [
        ("experiments", f"experiment_id = {experiment}"),
        ("runs", f"run_uuid = '{run}'"),
        ("logged_models", f"source_run_id = '{run}'"),
        ("datasets", f"dataset_uuid IN {datasets}"),
        ("inputs", f"destination_id = '{run}'"),
        ("input_tags", f"input_uuid IN {inputs}"),
        *((table, f"{column} = '{run}'") for table, column in _referring(old, "runs")),
        *((table, f"{column} IN {models}") for table, column in _referring(old, "logged_models")),
    ]
    yield "BEGIN;\n"
    for number, (table, condition) in enumerate(parts):
        columns = old.ask(_COLUMNS.format(table=table))
        rows = old.ask(f"COPY (SELECT {columns} FROM {table} WHERE {condition}) TO STDOUT")
        if rows:
            yield f"CREATE TEMP TABLE part{number} (LIKE {table}) ON COMMIT DROP;\n"
            yield f"COPY part{number} ({columns}) FROM STDIN;\n{rows}\n\\.\n"
            yield f"INSERT INTO {table} ({columns}) SELECT {columns} FROM part{number} ON CONFLICT DO NOTHING;\n"
    yield "COMMIT;\n"


def _referring(old: _Server, table: str) -> Sequence[tuple[str, str]]:
    """Tables whose rows belong to rows of this one, with the column that says to which."""
    return [(child, column) for child, column in json.loads(old.ask(_REFERRING.format(table=table)))]
