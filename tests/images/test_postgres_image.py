"""How the PostgreSQL image treats its volume, its password and its user: the image itself, when it has been built."""

import io
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator

import docker
import psycopg
import pytest
from docker.models.containers import Container
from docker.models.volumes import Volume

DATA = "/var/lib/postgresql/data"
PASSWORD = "right horse"


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(local_image: Callable[[str], str]) -> str:
    return local_image("postgres")


@pytest.fixture
def volume(engine: docker.DockerClient) -> Iterator[Volume]:
    volume = engine.volumes.create(f"test-postgres-{uuid.uuid4().hex[:8]}")
    yield volume
    volume.remove(force=True)


Start = Callable[..., Container]


@pytest.fixture
def start(engine: docker.DockerClient, image: str, volume: Volume) -> Iterator[Start]:
    """Starts a server on the volume, with an uploaded password file that root alone may read (unless told)."""
    started: list[Container] = []

    def start(password: str | None = PASSWORD, mode: int = 0o400, **options) -> Container:
        container = engine.containers.create(
            image,
            environment={"POSTGRES_PASSWORD_FILE": "/etc/superuser"} if password else {},
            volumes={volume.name: {"bind": DATA}},
            ports={"5432/tcp": ("127.0.0.1", 0)},  # any free one
            **options,
        )
        started.append(container)
        if password:
            upload(container, "superuser", password, mode)
        container.start()
        return container

    yield start
    for container in started:
        container.remove(force=True, v=True)


def upload(container: Container, name: str, content: str, mode: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), mode
        archive.addfile(entry, io.BytesIO(content.encode()))
    container.put_archive("/etc", buffer.getvalue())


def connect(container: Container, password: str = PASSWORD) -> psycopg.Connection:
    """A connection as clients make it, over the network; waits until the server takes connections."""
    deadline = time.monotonic() + 60
    while container.exec_run(["pg_isready", "-q", "-h", "127.0.0.1"]).exit_code:
        container.reload()
        assert container.status == "running", container.logs().decode()
        assert time.monotonic() < deadline, container.logs().decode()
        time.sleep(0.1)
    container.reload()
    port = container.attrs["NetworkSettings"]["Ports"]["5432/tcp"][0]["HostPort"]
    return psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", password=password, dbname="postgres", autocommit=True
    )


def answer(connection: psycopg.Connection, question: str) -> str:
    row = connection.execute(question.encode()).fetchone()
    assert row
    return row[0]


@pytest.fixture
def shell(engine: docker.DockerClient, image: str, volume: Volume) -> Callable[[str], None]:
    """Does something to the files of the volume while no server is on it."""

    def run(script: str) -> None:
        engine.containers.run(
            image, ["sh", "-ec", script], volumes={volume.name: {"bind": DATA}}, working_dir=DATA, remove=True
        )

    return run


def refusal(container: Container) -> str:
    assert container.wait(timeout=30)["StatusCode"] == 1
    return container.logs().decode()


def test_a_fresh_volume_becomes_a_database_that_the_network_enters_by_password_alone(start: Start):
    server = start()
    with connect(server) as connection:
        assert answer(connection, "show data_checksums") == "on"
        assert answer(connection, "show password_encryption") == "scram-sha-256"
        methods = answer(
            connection, "select string_agg(distinct auth_method, ',') from pg_hba_file_rules where type <> 'local'"
        )
    assert methods == "scram-sha-256"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(server, "wrong horse")


def test_the_server_is_process_one_and_not_root(start: Start):
    server = start()
    connect(server).close()
    status = server.exec_run(["cat", "/proc/1/status"]).output
    assert isinstance(status, bytes)
    assert b"Name:\tpostgres\n" in status
    assert b"Uid:\t999\t999\t999\t999\n" in status
    assert b"CapEff:\t0000000000000000\n" in status


def test_a_stop_is_clean_and_the_data_is_there_after_it_without_any_password_file(start: Start):
    server = start()
    with connect(server) as connection:
        connection.execute("create table kept as select 42 as n")
    server.stop(timeout=20)
    assert server.wait()["StatusCode"] == 0

    with connect(start(password=None)) as connection:
        assert answer(connection, "select n from kept") == 42


def test_without_a_password_file_a_new_database_is_refused_in_one_sentence(start: Start):
    message = refusal(start(password=None))
    assert "POSTGRES_PASSWORD_FILE" in message
    assert len(message.splitlines()) == 1


def test_an_initdb_that_was_killed_is_done_again(shell: Callable[[str], None], start: Start):
    shell("mkdir -p .initdb-running/base && echo 17 > .initdb-running/PG_VERSION")
    with connect(start()) as connection:
        assert answer(connection, "show data_checksums") == "on"


def test_a_move_that_was_killed_is_finished(shell: Callable[[str], None], start: Start):
    server = start()
    with connect(server) as connection:
        connection.execute("create table kept as select 42 as n")
    server.stop(timeout=20)
    shell("mkdir .initdb-done && mv PG_VERSION base pg_wal .initdb-done/ && chown postgres .initdb-done")

    with connect(start()) as connection:
        assert answer(connection, "select n from kept") == 42


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ("echo precious > backup.sql", "holds no database but is not empty (backup.sql)"),
        ("echo 17 > PG_VERSION", "has a PG_VERSION but no global/pg_control"),
    ],
)
def test_files_that_it_did_not_make_are_never_touched(
    shell: Callable[[str], None], start: Start, files: str, reason: str
):
    shell(files)
    assert reason in refusal(start())
    shell(f"test -s {files.split()[-1]}")


def test_it_can_run_without_ever_being_root(start: Start):
    server = start(user="999:999", mode=0o444, cap_drop=["ALL"])
    with connect(server) as connection:
        assert answer(connection, "select current_user") == "postgres"
