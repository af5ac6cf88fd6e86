"""How many attempts a guesser gets, and how little anybody can do to keep another user out."""

import multiprocessing
from pathlib import Path

import pytest
from mlflow_platform.server.credentials.limits import (
    ATTEMPTS,
    METADATA,
    PER_ADDRESS,
    PER_PAIR,
    PER_USER,
    PERIOD,
    Limits,
)
from sqlalchemy import Engine, create_engine, func, select


class Clock:
    now = 10 * PERIOD + 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/auth.db"


@pytest.fixture
def engine(database: str) -> Engine:
    engine = create_engine(database)
    METADATA.create_all(engine)
    return engine


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(engine: Engine, clock: Clock) -> Limits:
    return Limits(engine, b"key", clock)


def spend(limits: Limits, number: int, user: str, address: str) -> list[int | None]:
    return [limits.attempt(user, address) for _ in range(number)]


def test_a_guesser_gets_ten_attempts_at_one_user(limits: Limits) -> None:
    assert spend(limits, PER_PAIR, "ada", "a") == [None] * PER_PAIR
    assert limits.attempt("ada", "a") == PERIOD - 100


def test_the_next_period_begins_anew(limits: Limits, clock: Clock) -> None:
    spend(limits, PER_PAIR + 1, "ada", "a")
    clock.now += PERIOD - 100
    assert limits.attempt("ada", "a") is None


def test_one_address_keeps_nobody_out_elsewhere(limits: Limits) -> None:
    spend(limits, 10 * PER_USER, "ada", "attacker")
    assert spend(limits, PER_PAIR, "ada", "home") == [None] * PER_PAIR


def test_one_address_does_not_try_one_password_on_everybody(limits: Limits) -> None:
    answers = [limits.attempt(f"user-{number}", "a") for number in range(PER_ADDRESS + 1)]
    assert answers[:-1] == [None] * PER_ADDRESS
    assert answers[-1]


def test_many_addresses_share_the_attempts_at_one_user(limits: Limits) -> None:
    answers = [limits.attempt("ada", f"address-{number}") for number in range(PER_USER + 1)]
    assert answers[:-1] == [None] * PER_USER
    assert answers[-1]


def test_success_frees_the_user_and_not_the_address(limits: Limits) -> None:
    for _ in range(PER_ADDRESS // PER_PAIR):
        assert spend(limits, PER_PAIR, "eve", "a") == [None] * PER_PAIR
        limits.succeeded("eve", "a")
    assert limits.attempt("eve", "a")
    assert limits.attempt("ada", "a")


def test_old_rows_go_and_no_name_is_among_the_new(limits: Limits, engine: Engine, clock: Clock) -> None:
    spend(limits, 3, "hunter2", "a")
    clock.now += PERIOD
    spend(limits, 1, "hunter2", "a")
    with engine.connect() as connection:
        rows = connection.execute(select(ATTEMPTS)).all()
    assert len(rows) == 3
    assert {row.period for row in rows} == {int(clock.now) // PERIOD}
    assert "hunter2" not in str(rows)


def count(database: str, number: int) -> None:
    spend(Limits(create_engine(database), b"key", Clock()), number, "ada", "a")


def test_workers_that_count_at_once_all_count(database: str, engine: Engine) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(count, [(database, 2)] * 4)
    with engine.connect() as connection:
        assert connection.scalar(select(func.sum(ATTEMPTS.c.attempts))) == 8 * 3
