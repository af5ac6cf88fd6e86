"""PostgreSQL without a connection to give: whoever needs a new one is refused, and it is over when it is over."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.e2e.faults.conftest import Faulty, until
from tests.e2e.faults.writers import Writers

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
HEALED = 120.0
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'postgres'
"""


@contextmanager
def all_connections(faulty: Faulty) -> Iterator[None]:
    """Held by a superuser, who gets those that are set aside, too, and takes those that the servers had."""
    password = faulty.stack.passwords()["postgres-superuser"]
    where = {"host": "127.0.0.1", "port": faulty.stack.ports["admin_postgres"], "dbname": "postgres"}
    with ExitStack() as held:

        def hold() -> psycopg.Connection | None:
            try:
                return held.enter_context(psycopg.connect(**where, user="postgres", password=password, autocommit=True))
            except psycopg.OperationalError:
                return None

        first = hold()
        assert first
        for _ in range(5):  # somebody may be quicker
            until(lambda: not hold(), 60, "PostgreSQL has no connection left")
            first.execute(_END_OTHERS)
        until(lambda: not hold(), 60, "PostgreSQL has no connection left")
        yield


def test_without_a_connection_clients_get_errors_and_everything_goes_on_once_there_are_some(faulty: Faulty):
    with Writers(faulty.platform) as writers:
        writers.both_store(120)
        began = time.time()
        with all_connections(faulty):
            text = faulty.says("MLflow does not reach its database: PostgreSQL has no connection left")
            until(lambda: len(writers.refused_since(began, "metric")) > 2, 60, "clients get errors")
        print(text)
        faulty.heals(writers, HEALED)
    assert writers.differing() == []
