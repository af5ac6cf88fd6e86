"""Whether what the next update would make can go on with a stack's data: tried on a copy, while the stack serves on."""

import re
from collections.abc import Collection

from launcher import databases
from launcher.console import Failure, step
from launcher.paths import Paths
from launcher.scratch import Plan, Scratch, Service, Temporary, planned
from launcher.versions import TITLES

DATABASE = "postgres"
DATA = "/var/lib/postgresql/data"
_UNFINISHED = f"{DATA}/.loading"
# What says that a database is there is moved last: until then a server refuses to start on the volume.
_FINISH = """
cd /data/.loading
find . -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t /data {} +
sync
mv PG_VERSION /data/
rmdir /data/.loading
sync
"""
_SAYS_WHY = re.compile(r"^\S*(Error|Exception)\b|\bERROR\b|\bFATAL\b|^mlflow-platform:")
_SAYS_NOTHING = re.compile(r"Failed to start server in|--verbose")
_PASSWORD = re.compile(r"(://[^:/\s]+:)[^@\s]+@")


def on_a_copy(paths: Paths, scratch: Scratch, plan: Plan, source: str, services: Collection[str]) -> None:
    """Starts each of these as it is planned, which is its real migration; leaves nothing, and changes nothing."""
    try:
        network = scratch.network()
        volume = scratch.volume()
        database = planned(plan, DATABASE)
        with step("a copy of the databases, on which the new versions are tried"):
            # What becomes of a copy in a power cut is nobody's concern.
            server = scratch.start(database, network=network, volumes={DATA: volume}, arguments=_fast(database))
            _or_fail(paths, server, database)
            databases.copy(source, server.name, paths.logs / "upgrade-copy.log")
        for name in services:
            service = planned(plan, name)
            with step(f"{TITLES[name]} on the copy"):
                _or_fail(paths, scratch.start(service, network=network), service)
    finally:
        scratch.clear()


def load(paths: Paths, scratch: Scratch, plan: Plan, source: str, volume: str) -> None:
    """Fills the volume with all that the source has; it holds no database before it holds all of them."""
    service = planned(plan, DATABASE)
    try:
        with step(f"load the databases into volume {volume}"):
            scratch.volume(volume)
            server = scratch.start(service, volumes={DATA: volume}, envs=[f"PGDATA={_UNFINISHED}"])
            _or_fail(paths, server, service)
            databases.copy(source, server.name, paths.logs / "upgrade-load.log")
            server.stop()
            scratch.move(service, volume, _FINISH)
    finally:
        scratch.clear()


def _fast(database: Service) -> list[str]:
    return [*([] if database.inputs.get("command") else ["postgres"]), "-c", "fsync=off"]


def _or_fail(paths: Paths, container: Temporary, service: Service) -> None:
    wrong = container.until_healthy()
    if wrong:
        log = paths.logs / f"upgrade-{service.name}.log"
        reason = _reason(container.log(log)) or wrong
        raise Failure(f"{TITLES[service.name]} does not start on a copy of the data: {reason} (log: {log})")


def _reason(said: str) -> str | None:
    """The last line that complains, without passwords."""
    lines = [line.strip() for line in said.splitlines()]
    complaints = [line for line in lines if _SAYS_WHY.search(line) and not _SAYS_NOTHING.search(line)]
    return _PASSWORD.sub(r"\1***@", complaints[-1]).rstrip(".") if complaints else None
