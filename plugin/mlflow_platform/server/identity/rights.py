"""Groups become rights: MLflow's users, admin flag and roles, kept in step with the tokens.

MLflow's own store has no way to make a user without a password, nor to change several rows at once; so this writes
its tables (mlflow 3.17.2, `mlflow.server.auth.db.models`), in one transaction.
"""

import logging
import time

from mlflow.server.auth.db.models import SqlRole, SqlRolePermission, SqlUser, SqlUserRoleAssignment
from mlflow.server.auth.permissions import (
    RESOURCE_TYPE_GATEWAY_SECRET,
    RESOURCE_TYPE_WORKSPACE,
    VALID_RESOURCE_TYPES,
)
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from mlflow_platform.server.identity.caller import Identity
from mlflow_platform.server.settings import Level, Settings

logger = logging.getLogger(__name__)

ROLE_PREFIX = "team:"  # roles of that prefix are ours; all others, MLflow's `__user_<id>__` among them, stay untouched
# A workspace grant of MANAGE would let its holder hand out roles, past the groups: it is given to nobody.
RESOURCE_TYPES = VALID_RESOURCE_TYPES - {RESOURCE_TYPE_WORKSPACE}
ATTEMPTS = 5


class Rights:
    """Writes what a token says, unless a newer token of the same user was here first."""

    def __init__(self, engine: Engine, settings: Settings):
        self._engine = engine
        self._settings = settings

    def bring_in_step(self, identity: Identity) -> None:
        """Makes the user's row, admin flag and roles those of the token; safe beside other workers doing the same."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with Session(self._engine) as session, session.begin():
                    self._write(session, identity)
                return
            except (IntegrityError, OperationalError) as error:
                # Another worker made the same user or role between our look and our write: look again.
                if attempt == ATTEMPTS:
                    raise
                logger.debug("rights of a user are written by two at once (%s), trying again", type(error).__name__)
                time.sleep(0.05 * attempt)

    def identity(self, username: str) -> Identity:
        """The user as the newest token left him; of no team, hence without rights, where there is none of that name."""
        with Session(self._engine) as session:
            user = session.scalar(select(SqlUser).where(SqlUser.username == username))
            held = {str(held.role.name) for held in user.user_role_assignments} if user else set()
            administrates = bool(user and user.is_admin)
        teams = frozenset(name for name in self._settings.teams if f"{ROLE_PREFIX}{name}" in held)
        everywhere = dict.fromkeys(self._settings.all_workspaces, Level.ADMIN)
        return Identity(
            username=username,
            teams=teams,
            levels=everywhere if administrates else self._settings.levels(teams),
            client="mlflow-job",
            has_policy=False,
            issued_at=0,
            expires_at=0,
            reads=self._settings.reads(teams),
        )

    def _write(self, session: Session, identity: Identity) -> None:
        user = session.scalar(select(SqlUser).where(SqlUser.username == identity.username).with_for_update())
        if user is None and not identity.levels:
            return  # a stranger leaves no trace
        if user is not None and _written_at(user) > identity.issued_at:
            return
        columns = {"password_hash": _no_password(identity.issued_at), "is_admin": identity.administrates}
        if user is None:
            user = SqlUser(username=identity.username, **columns)
            session.add(user)
            session.flush()
        else:
            session.execute(update(SqlUser).where(SqlUser.id == user.id).values(columns))
        wanted = {self._role(session, *granting).id for granting in self._granting(identity)}
        held = set(
            session.scalars(
                select(SqlRole.id)
                .join(SqlUserRoleAssignment)
                .where(SqlUserRoleAssignment.user_id == user.id, SqlRole.name.startswith(ROLE_PREFIX, autoescape=True))
            )
        )
        session.add_all(SqlUserRoleAssignment(user_id=user.id, role_id=role) for role in wanted - held)
        session.execute(
            delete(SqlUserRoleAssignment).where(
                SqlUserRoleAssignment.user_id == user.id, SqlUserRoleAssignment.role_id.in_(held - wanted)
            )
        )

    def _granting(self, identity: Identity) -> list[tuple[str, str, Level]]:
        """Teams and workspaces that MLflow has a role for, in one order for all, so that no two writers block."""
        return [
            (team, workspace, level)
            for team in sorted(identity.teams)
            for workspace, level in sorted(self._settings.teams[team].levels.items())
            if level is not Level.ADMIN
        ]

    def _role(self, session: Session, team: str, workspace: str, level: Level) -> SqlRole:
        """The team's role in the workspace, granting its level on everything there and nothing else."""
        name = f"{ROLE_PREFIX}{team}"
        role = session.scalar(select(SqlRole).where(SqlRole.name == name, SqlRole.workspace == workspace))
        if role is None:
            role = SqlRole(name=name, workspace=workspace, description="A team of the platform")
            session.add(role)
        granted = {(kind, "*", _grant(kind, level).value) for kind in RESOURCE_TYPES}
        if self._settings.workspaces and level in (Level.EDIT, Level.MANAGE):
            granted.add((RESOURCE_TYPE_WORKSPACE, "*", Level.USE.value))  # without it nobody creates anything there
        if {(p.resource_type, p.resource_pattern, p.permission) for p in role.permissions} != granted:
            role.permissions.clear()
            session.flush()
            role.permissions.extend(
                SqlRolePermission(resource_type=kind, resource_pattern=pattern, permission=permission)
                for kind, pattern, permission in sorted(granted)
            )
        session.flush()
        return role


def _grant(kind: str, level: Level) -> Level:
    """What the level means for one type of resource.

    Who may edit a model provider's key may send it anywhere, by another address beside it; so editors only use it.
    """
    return Level.USE if kind == RESOURCE_TYPE_GATEWAY_SECRET and level is Level.EDIT else level


def _no_password(issued_at: int) -> str:
    """A hash that no password has. It carries when the newest token seen was issued, for which there is no column."""
    return f"!{issued_at}"


def _written_at(user: SqlUser) -> int:
    mark, _, issued_at = str(user.password_hash).partition("!")
    return int(issued_at) if not mark and issued_at.isdigit() else 0
