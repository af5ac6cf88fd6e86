"""Copies what a PostgreSQL server has to another one, of a later version too: in their own words, dump and load.

Both are asked by `docker exec` on the socket inside, where no password is needed: none is on a command line.
"""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from launcher.console import Failure
from launcher.processes import answer

_USER = "--username=postgres"
_SUPERUSER = "CREATE ROLE postgres;"  # there already; what follows gives it its password
_PSQL = ["psql", _USER, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
_LIST = "select datname from pg_database where not datistemplate order by datname"


def copy(source: str, target: str, log: Path) -> None:
    """Roles with their passwords, and every database with what is in it, to a server that has none yet."""
    with _private(log).open("w") as said:
        roles = _asked(source, ["pg_dumpall", _USER, "--globals-only"], log, said.fileno())
        roles = "\n".join(line for line in roles.splitlines() if line != _SUPERUSER)
        loaded = subprocess.run(
            _inside(target, [*_PSQL, "--dbname=postgres"]), input=roles, text=True, stderr=said, check=False
        )
        if loaded.returncode:
            raise Failure(f"the roles of {source} cannot be brought into {target} (log: {log})")
        listed = _asked(source, ["psql", _USER, "-At", f"--command={_LIST}"], log, said.fileno())
        for database in listed.splitlines():
            create = [] if database == "postgres" else ["--create"]  # every server has that one
            _pipe(source, ["pg_dump", _USER, *create, f"--dbname={database}"], target, database, log, said.fileno())
        # A planner without statistics takes the slowest way.
        _asked(target, ["vacuumdb", _USER, "--all", "--analyze-only", "--quiet"], log, said.fileno())


class Dumps:
    """Databases of single services in files of their owner's alone: what there was before an upgrade."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder, self._log = folder, log

    def keep(self, server: str, services: Iterable[str]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for service in services:
            for database in _of(server, service):
                with _private(self._file(database)).open("wb") as file, _private(self._log).open("a") as said:
                    command = _inside(server, ["pg_dump", _USER, "--format=custom", f"--dbname={database}"])
                    if subprocess.run(command, stdout=file, stderr=said, check=False).returncode:
                        raise Failure(f"database {database} cannot be dumped (log: {self._log})")

    def bring_back(self, server: str, services: Iterable[str]) -> None:
        """Puts them in the place of what is there by now; interrupted, it has to be done again."""
        for service in services:
            for file in sorted(self._folder.glob("*.dump")):
                if not _is_of(file.stem, service):
                    continue
                with _private(self._log).open("a") as said, file.open("rb") as dump:
                    drop = [*_PSQL, "--dbname=postgres", f"--command=drop database if exists {file.stem} with (force)"]
                    _asked(server, drop, self._log, said.fileno())
                    command = ["pg_restore", _USER, "--create", "--exit-on-error", "--dbname=postgres"]
                    if subprocess.run(_inside(server, command), stdin=dump, stderr=said, check=False).returncode:
                        raise Failure(f"database {file.stem} cannot be brought back from {file} (log: {self._log})")

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, database: str) -> Path:
        return self._folder / f"{database}.dump"


def _of(server: str, service: str) -> list[str]:
    listed = answer(_inside(server, ["psql", _USER, "-At", f"--command={_LIST}"]))
    if listed is None:
        raise Failure(f"{server} does not say which databases it has")
    return [database for database in listed.splitlines() if _is_of(database, service)]


def _is_of(database: str, service: str) -> bool:
    return f"{database}_".startswith(f"{service}_")


def _private(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    return file


def _pipe(source: str, dump: Sequence[str], target: str, database: str, log: Path, said: int) -> None:
    reading = subprocess.Popen(_inside(source, dump), stdout=subprocess.PIPE, stderr=said)
    writing = subprocess.Popen(_inside(target, [*_PSQL, "--dbname=postgres"]), stdin=reading.stdout, stderr=said)
    assert reading.stdout
    reading.stdout.close()  # so that the dump ends when the load does
    if writing.wait() | reading.wait():
        raise Failure(f"database {database} of {source} cannot be brought into {target} (log: {log})")


def _asked(server: str, command: Sequence[str], log: Path, said: int) -> str:
    done = subprocess.run(_inside(server, command), stdout=subprocess.PIPE, stderr=said, text=True, check=False)
    if done.returncode:
        raise Failure(f"{command[0]} in {server} failed (log: {log})")
    return done.stdout.rstrip("\n")


def _inside(server: str, command: Sequence[str]) -> list[str]:
    return ["docker", "exec", "--interactive", server, *command]
