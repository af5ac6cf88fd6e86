"""What a backup says of itself: when, of what, how much, and the checksums of what it needs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import sql

from platform_backup.config import SPOOL
from platform_backup.database import Connect
from platform_backup.place import Place

_FOLDER = "manifests"
_COUNTED = {
    "mlflow": {
        "experiments": "experiments",
        "runs": "runs",
        "metrics": "metrics",
        "models": "registered_models",
        "model_versions": "model_versions",
        "traces": "trace_info",
    },
    "keycloak": {"users": "user_entity", "groups": "keycloak_group"},
}
_LONGEST = "60s"  # for one count


@dataclass(frozen=True)
class Manifest:
    """`time` and `lsn` are PostgreSQL's, of the moment that the records are as of; objects are of that or later."""

    id: str
    time: float
    lsn: str
    system: str
    base: str
    base_sha256: str
    stack: str
    stack_sha256: str
    versions: Mapping[str, str]
    counts: Mapping[str, int]

    @property
    def when(self) -> str:
        return datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def stamp(time: float) -> str:
    """A name that sorts by time, to the millisecond."""
    moment = datetime.fromtimestamp(time, UTC)
    return f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"


def time_of(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()


def counts(connected: Connect) -> dict[str, int]:
    """How much of everything there is, each database at one moment."""
    found: dict[str, int] = {}
    for name, tables in _COUNTED.items():
        with connected(name) as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", [_LONGEST])
            connection.commit()
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            for what, table in tables.items():
                row = connection.execute(
                    sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table))
                ).fetchone()
                found[what] = row["n"] if row else 0
    return found


def write(place: Place, manifest: Manifest) -> None:
    place.write(f"{_FOLDER}/{manifest.id}.json", json.dumps(asdict(manifest), indent=1).encode())


def every(place: Place) -> list[str]:
    """The ids of all that are at the place, oldest first."""
    return sorted(stored.path.removesuffix(".json") for stored in place.files(_FOLDER) if stored.path.endswith(".json"))


def read(place: Place, id: str) -> Manifest:
    found: dict[str, Any] = json.loads(place.read(f"{_FOLDER}/{id}.json"))
    return Manifest(**found)


def all_of(place: Place, folder: Path = SPOOL / "manifests") -> list[Manifest]:
    """Every one, oldest first; read from copies in the spool, which are fetched once."""
    place.sync(f"place:{_FOLDER}", str(folder))
    return [Manifest(**json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def forget(place: Place, ids: list[str]) -> None:
    place.delete(_FOLDER, [f"{id}.json" for id in ids])
