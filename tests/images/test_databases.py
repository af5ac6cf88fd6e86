"""Databases on their way from one server to the next, or back: on real servers, without a stack around them."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from launcher import databases, inventory, trial
from launcher.databases import Dumps
from launcher.paths import Paths
from launcher.processes import answer
from launcher.scratch import Scratch, Service, Temporary
from tests.launcher.deployment import CONTAINER, urn

PASSWORD = "of-the-superuser"
COUNT = "select count(*) from kept"


@pytest.fixture(scope="module")
def service(local_image: Callable[[str], str]) -> Service:
    inputs = {
        "image": local_image("postgres"),
        "memory": 512,
        "envs": ["POSTGRES_PASSWORD_FILE=/run/secrets/superuser"],
        "healthcheck": {"tests": ["CMD", "pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"]},
        "capabilities": {"drops": ["ALL"], "adds": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]},
        "readOnly": True,
        "tmpfs": {"/tmp": "size=16m,mode=1777", "/var/run/postgresql": "size=1m,mode=1777"},
        "securityOpts": ["no-new-privileges"],
    }
    return Service("postgres", inputs, {"/run/secrets/superuser": PASSWORD})


@pytest.fixture
def scratch() -> Iterator[Callable[[], Scratch]]:
    """Makers of containers under prefixes of their own."""
    made: list[tuple[Scratch, str]] = []

    def make() -> Scratch:
        prefix = f"test-{uuid.uuid4().hex[:8]}"
        made.append((Scratch("test", prefix), prefix))
        return made[-1][0]

    yield make
    for one, prefix in made:
        one.clear()
        for volume in docker.from_env().volumes.list(filters={"label": f"mlflow-platform.prefix={prefix}"}):
            volume.remove()


@pytest.fixture
def source(scratch: Callable[[], Scratch], service: Service) -> Temporary:
    """A server with what each service has: a role with a password, and a database closed to others with rows in it."""
    own = scratch()
    server = own.start(service, volumes={trial.DATA: own.volume()})
    assert server.until_healthy() is None
    for name in ("mlflow", "mlflow_auth", "keycloak"):
        ask(server, "postgres", f"create role {name} login password 'of-{name}'")
        ask(server, "postgres", f"create database {name} owner {name}")
        ask(server, "postgres", f"revoke all on database {name} from public")
        ask(server, name, "create table kept as select generate_series(1, 100) as n")
    return server


def ask(server: Temporary, database: str, statement: str) -> str:
    command = ["psql", "--username=postgres", f"--dbname={database}", "-Atc", statement]
    said = answer(["docker", "exec", server.name, *command])
    assert said is not None, statement
    return said


def everything(server: Temporary) -> list[str]:
    """Passwords as the server keeps them, who may connect where, and rows."""
    roles = ask(server, "postgres", "select rolname, rolpassword from pg_authid where rolpassword <> '' order by 1")
    rights = ask(server, "postgres", "select datname, datdba::regrole, datacl from pg_database order by 1")
    return [roles, rights, *(ask(server, name, COUNT) for name in ("mlflow", "mlflow_auth", "keycloak"))]


def test_a_volume_that_was_loaded_has_all_of_it_passwords_and_rights_too(
    tmp_path: Path, scratch: Callable[[], Scratch], service: Service, source: Temporary
):
    paths, target = Paths(tmp_path, tmp_path), scratch()
    plan = {urn(CONTAINER, "postgres"): service.inputs}
    uploads = [{"file": path, "content": "another one, that is not to stay"} for path in service.files]
    plan |= {urn(CONTAINER, "postgres-files"): {"uploads": uploads}}
    volume = f"{target._name}d"

    trial.load(paths, target, plan, source.name, volume)

    loaded = target.start(service, volumes={trial.DATA: volume})
    assert loaded.until_healthy() is None
    assert everything(loaded) == everything(source)
    logs = "".join(file.read_text() for file in paths.logs.iterdir())
    assert PASSWORD not in logs and "SCRAM" not in logs


def test_no_server_starts_on_a_volume_that_is_half_loaded(scratch: Callable[[], Scratch], service: Service):
    target = scratch()
    volume = target.volume()
    half = target.start(service, volumes={trial.DATA: volume}, envs=[f"PGDATA={trial._UNFINISHED}"])
    assert half.until_healthy() is None
    inventory.do("kill it", ["kill", half.name])
    inventory.do("remove it", ["rm", "--force", "--volumes", half.name, f"{half.name}-files"])

    refused = target.start(service, volumes={trial.DATA: volume})

    assert refused.until_healthy() == "it ended"
    said = docker.from_env().containers.get(refused.name).logs().decode()
    assert "holds no database but is not empty (.loading" in said


def test_dumps_bring_a_service_back_to_what_it_was_and_leave_the_others_alone(tmp_path: Path, source: Temporary):
    before = everything(source)
    dumps = Dumps(tmp_path / "before", tmp_path / "log")
    dumps.keep(source.name, ["mlflow"])
    assert {file.stat().st_mode & 0o77 for file in (tmp_path / "before").iterdir()} == {0}
    for name in ("mlflow", "mlflow_auth"):
        ask(source, name, "truncate kept")
        ask(source, name, "create table of_a_newer_version ()")

    dumps.bring_back(source.name, ["mlflow"])
    dumps.bring_back(source.name, ["mlflow"])  # as after a kill

    assert everything(source) == before
    assert ask(source, "mlflow", "select count(*) from pg_tables where tablename = 'of_a_newer_version'") == "0"


def test_a_load_that_fails_names_the_database_and_the_log(tmp_path: Path, source: Temporary):
    log = tmp_path / "log"
    with pytest.raises(databases.Failure, match=rf"cannot be brought into {source.name} \(log: {log}\)"):
        databases.copy(source.name, source.name, log)
    assert "already exists" in log.read_text()
