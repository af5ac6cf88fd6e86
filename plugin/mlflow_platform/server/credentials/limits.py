"""How often somebody may try to log in with a password, counted for all workers in the auth database."""

import hmac
import time
from collections.abc import Callable

from sqlalchemy import CHAR, BigInteger, Column, Engine, Integer, MetaData, Table, delete, text

PERIOD = 300  # seconds
PER_ADDRESS = 60
PER_PAIR = 10
PER_USER = 100

METADATA = MetaData()
ATTEMPTS = Table(
    "mlflow_platform_attempts",
    METADATA,
    Column("subject", CHAR(64), primary_key=True),
    Column("period", BigInteger, primary_key=True),
    Column("attempts", Integer, nullable=False),
)
# One statement, so that workers who count at the same moment all count; PostgreSQL and SQLite read it alike.
_COUNT = text(
    "INSERT INTO mlflow_platform_attempts (subject, period, attempts) VALUES (:subject, :period, 1)"
    " ON CONFLICT (subject, period) DO UPDATE SET attempts = mlflow_platform_attempts.attempts + 1 RETURNING attempts"
)


class Limits:
    """Counts attempts within fixed periods of five minutes: per address, per user and address, and per user.

    Every attempt counts before anybody looks at its password, so that many at once are not more than one after
    another. In this order:

    - 60 of one address, successes included, and nothing resets it: whoever has an account of her own gains no
      guesses at others'.
    - 10 of one user from one address, then no more of them are looked at; her own success starts that count anew.
    - 100 of one user from anywhere: the limit for a guesser with many addresses. Only attempts within the two limits
      before count here, so that one address adds at most 10 and it takes ten to keep a user out; and out only of
      this endpoint, for the rest of the period: tokens, sessions and Keycloak's own login stay as they are.

    The rows hold keyed hashes: people type passwords where their name should be.
    """

    def __init__(self, engine: Engine, key: bytes, clock: Callable[[], float] = time.time):
        self._engine = engine
        self._key = key
        self._clock = clock

    def attempt(self, user: str, address: str) -> int | None:
        """Counts one; None if it may go on, else the seconds until the next may."""
        now = int(self._clock())
        for limit, *subject in ((PER_ADDRESS, address), (PER_PAIR, address, user), (PER_USER, "", user)):
            if self._count(self._hash(*subject), now // PERIOD) > limit:
                return PERIOD - now % PERIOD
        return None

    def succeeded(self, user: str, address: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.subject == self._hash(address, user)))

    def _count(self, subject: str, period: int) -> int:
        with self._engine.begin() as connection:
            attempts = connection.execute(_COUNT, {"subject": subject, "period": period}).scalar_one()
            if attempts == 1:
                connection.execute(delete(ATTEMPTS).where(ATTEMPTS.c.period < period))
            return attempts

    def _hash(self, *subject: str) -> str:
        return hmac.digest(self._key, "\0".join(subject).encode("utf-8", "surrogatepass"), "sha256").hex()
