"""Browser sessions in MLflow's auth database, where all workers see them."""

import hashlib
import json
from dataclasses import asdict, dataclass

from sqlalchemy import (
    Column,
    ColumnElement,
    Double,
    Engine,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from mlflow_platform.server.browser.keycloak import Tokens
from mlflow_platform.server.browser.seal import Seal
from mlflow_platform.server.identity.id_tokens import Subject
from mlflow_platform.server.identity.tokens import LEEWAY
from mlflow_platform.server.kept import Kept

METADATA = MetaData()
_TABLE = Table(
    "mlflow_platform_sessions",
    METADATA,
    Column("id", String(64), primary_key=True),  # the hash of what the browser's cookie says
    Column("login", String(64), nullable=False, unique=True),  # the hash of the login's state, which counts once
    Column("sub", String(255), index=True),
    Column("sid", String(255), index=True),
    Column("created_at", Double, nullable=False, index=True),
    Column("used_at", Double, nullable=False, index=True),
    Column("renew_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("claimed_until", Double, nullable=False),  # till then one worker renews the tokens, and no other
    Column("tokens", LargeBinary, nullable=False),  # sealed
)
SWEPT_AT_ONCE = 500


@dataclass(frozen=True)
class Session:
    """A browser's session."""

    id: str
    created_at: float
    used_at: float
    renew_at: float  # this and the next are about the access token
    expires_at: float
    tokens: Tokens


class LoginUsed(Exception):
    """A login's state made a session already."""


def hashed(secret: str) -> str:
    """What the table keeps of a session's id or a login's state; both are random and long."""
    return hashlib.sha256(secret.encode()).hexdigest()


def sweep(engine: Engine, idle_seconds: int, max_seconds: int, now: float) -> int:
    """Removes what has ended, a part at a time; rows that another worker has its hands on are left to it."""
    ended = or_(_TABLE.c.used_at <= now - idle_seconds, _TABLE.c.created_at <= now - max_seconds)
    some = select(_TABLE.c.id).where(ended).limit(SWEPT_AT_ONCE).with_for_update(skip_locked=True)
    with engine.begin() as connection:
        return connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(connection.scalars(some).all()))).rowcount


class SessionTable:
    """The sessions that are neither idle for too long nor too old. Its methods block: call them in a thread.

    What was read is kept until a session ends or is renewed, in whichever worker, so that a logout counts at once.
    """

    def __init__(self, engine: Engine, seal: Seal, kept: Kept, idle_seconds: int, max_seconds: int):
        self._engine = engine
        self._kept = kept
        self._seal = seal
        self._idle_seconds = idle_seconds
        self._max_seconds = max_seconds

    def add(self, session: Session, login: str, subject: Subject, replaced: str | None) -> None:
        """Keeps a new session; the one that the same browser had ends."""
        row = {
            "id": session.id,
            "login": login,
            "sub": subject.sub,
            "sid": subject.sid,
            "created_at": session.created_at,
            "used_at": session.used_at,
            "claimed_until": 0.0,
            **self._renewable(session),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(_TABLE).values(row))
                if replaced is not None:
                    connection.execute(delete(_TABLE).where(_TABLE.c.id == replaced))
        except IntegrityError:
            raise LoginUsed from None
        if replaced is not None:
            self._kept.written()

    def is_used(self, login: str) -> bool:
        """Whether the login made a session already."""
        with self._engine.connect() as connection:
            return bool(connection.scalar(select(exists().where(_TABLE.c.login == login))))

    def find(self, session_id: str, now: float) -> Session | None:
        """The session, unless it has ended; raises SealBroken if its tokens are not what was kept."""
        found = self._kept.answer(session_id, lambda: self._read(session_id))
        if found and found.used_at <= now - self._idle_seconds:
            self._kept.forget(session_id)  # another worker may know of a use since
            found = self._kept.answer(session_id, lambda: self._read(session_id))
        is_alive = found and found.used_at > now - self._idle_seconds and found.created_at > now - self._max_seconds
        return found if is_alive else None

    def touch(self, session_id: str, now: float) -> None:
        """Remembers that the session is in use."""
        self._update(_TABLE.c.id == session_id, used_at=now)
        self._kept.forget(session_id)

    def claim(self, session: Session, now: float, until: float) -> bool:
        """Whether the caller, and till then nobody else, is to renew these very tokens.

        An entry instead of a row's lock: it works the same on SQLite, holds no connection while Keycloak is asked, and
        runs out by itself when its worker dies.
        """
        same = (_TABLE.c.id == session.id) & (_TABLE.c.renew_at == session.renew_at)
        return self._update(same & (_TABLE.c.claimed_until < now), claimed_until=until)

    def give_back(self, session_id: str) -> None:
        """Ends a claim that came to nothing."""
        self._update(_TABLE.c.id == session_id, claimed_until=0.0)

    def renew(self, session: Session) -> bool:
        """Keeps the session's new tokens; False if it ended meanwhile."""
        is_renewed = self._update(_TABLE.c.id == session.id, claimed_until=0.0, **self._renewable(session))
        self._kept.written()
        return is_renewed

    def end(self, session_id: str) -> None:
        self._delete(_TABLE.c.id == session_id)

    def end_of(self, subject: Subject) -> int:
        """Ends Keycloak's session, or else all of the user's, that began before this was said; returns how many.

        So a message that is replayed ends nothing that began after it.
        """
        whose = _TABLE.c.sid == subject.sid if subject.sid else _TABLE.c.sub == subject.sub
        return self._delete(whose & (_TABLE.c.created_at < subject.issued_at + LEEWAY))

    def sweep(self, now: float) -> None:
        sweep(self._engine, self._idle_seconds, self._max_seconds, now)

    def _read(self, session_id: str) -> Session | None:
        with self._engine.connect() as connection:
            row = connection.execute(select(_TABLE).where(_TABLE.c.id == session_id)).one_or_none()
        if row is None:
            return None
        tokens = Tokens(**json.loads(self._seal.open(row.tokens, row.id)))
        return Session(row.id, row.created_at, row.used_at, row.renew_at, row.expires_at, tokens)

    def _renewable(self, session: Session) -> dict[str, float | bytes]:
        sealed = self._seal.close(json.dumps(asdict(session.tokens)).encode(), session.id)
        return {"renew_at": session.renew_at, "expires_at": session.expires_at, "tokens": sealed}

    def _update(self, which: ColumnElement[bool], **values: float | bytes) -> bool:
        with self._engine.begin() as connection:
            return connection.execute(update(_TABLE).where(which).values(**values)).rowcount == 1

    def _delete(self, which: ColumnElement[bool]) -> int:
        with self._engine.begin() as connection:
            ended = connection.execute(delete(_TABLE).where(which)).rowcount
        self._kept.written()
        return ended
