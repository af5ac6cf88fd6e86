"""Login and group roles."""

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ResourceType

if TYPE_CHECKING:
    from .server import Server, Session

_HASHED = ("md5", "SCRAM-SHA-256$")
_OPTIONS = {
    "superuser": ("SUPERUSER", "rolsuper"),
    "createDatabase": ("CREATEDB", "rolcreatedb"),
    "createRole": ("CREATEROLE", "rolcreaterole"),
    "inherit": ("INHERIT", "rolinherit"),
    "login": ("LOGIN", "rolcanlogin"),
    "replication": ("REPLICATION", "rolreplication"),
    "bypassRowLevelSecurity": ("BYPASSRLS", "rolbypassrls"),
}
"""Each switch with its keyword (NO before it turns it off) and its column in pg_roles."""

_READ = """
    SELECT rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication, rolbypassrls,
           rolconnlimit, rolconfig, coalesce(rolvaliduntil::text, 'infinity') AS until,
           coalesce(rolvaliduntil, 'infinity') = %s::timestamptz AS until_as_wanted,
           (SELECT rolpassword FROM pg_authid WHERE pg_authid.oid = pg_roles.oid) AS verifier
    FROM pg_roles WHERE rolname = %s
"""
_MEMBERSHIPS = """
    SELECT coalesce(array_agg(pg_get_userbyid(roleid)::text ORDER BY 1), '{}') AS roles
    FROM pg_auth_members WHERE pg_get_userbyid(member) = %s
"""


class Role(ResourceType):
    """postgresql:index/role:Role (pulumi-postgresql 3.18.2, over cyrilgdn/terraform-provider-postgresql).

    A password reaches the server as its SCRAM verifier, never as itself. Unlike the official plugin, a refresh sees
    that a password was changed behind Pulumi's back.
    """

    token = "postgresql:index/role:Role"
    properties = {
        "name": Prop(str, auto_name=True),
        "password": Prop(str, secret=True),
        "encryptedPassword": Prop(bool, default=True),
        "validUntil": Prop(str, default="infinity"),
        "connectionLimit": Prop(int, default=-1),
        "superuser": Prop(bool, implied=False),
        "createDatabase": Prop(bool, implied=False),
        "createRole": Prop(bool, implied=False),
        "inherit": Prop(bool, default=True),
        "login": Prop(bool, implied=False),
        "replication": Prop(bool, implied=False),
        "bypassRowLevelSecurity": Prop(bool, implied=False),
        "roles": Prop(list, of=str, unordered=True),
        "searchPaths": Prop(list, of=str),
        "statementTimeout": Prop(int, implied=0),
        "idleInTransactionSessionTimeout": Prop(int, implied=0),
        "assumeRole": Prop(str, implied=""),
        "skipDropRole": Prop(bool, implied=False),
        "skipReassignOwned": Prop(bool, implied=False),
        "encrypted": Prop(str, output=True),
        "passwordWo": Prop(str, output=True, secret=True),
        "passwordWoVersion": Prop(str, output=True),
    }

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["encryptedPassword"] is False:
            raise CheckError("encryptedPassword", "PostgreSQL keeps no unencrypted passwords; leave it out")
        return inputs

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        with client.changing() as session:
            session.run("CREATE ROLE {}", name)
            _configure(session, inputs, {})
            return name, _outputs(session, name, inputs) or {}

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        with client.reading() as session:
            return _outputs(session, state.get("name", id), state)

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        with client.changing() as session:
            if state["name"] != inputs["name"]:
                session.run("ALTER ROLE {} RENAME TO {}", state["name"], inputs["name"])
            _configure(session, inputs, state)
            return _outputs(session, inputs["name"], inputs) or {}

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        name = state.get("name", id)
        with client.changing() as session:
            if not session.row("SELECT 1 FROM pg_roles WHERE rolname = %s", name):
                return
            if not state.get("skipReassignOwned"):
                session.run("REASSIGN OWNED BY {} TO CURRENT_USER", name)
                session.run("DROP OWNED BY {}", name)
            if not state.get("skipDropRole"):
                session.run("DROP ROLE {}", name)


def _configure(session: "Session", inputs: dict[str, Any], state: dict[str, Any]) -> None:
    """Gives a role that exists everything that the inputs say."""
    name = inputs["name"]
    for key, (keyword, _) in _OPTIONS.items():
        session.option(name, keyword if inputs.get(key) else f"NO{keyword}")
    session.run(
        "ALTER ROLE {} CONNECTION LIMIT {limit} VALID UNTIL {until}",
        name,
        limit=inputs["connectionLimit"],
        until=inputs["validUntil"],
    )
    password = inputs.get("password")
    if password != state.get("password"):
        session.run("ALTER ROLE {} PASSWORD {verifier}", name, verifier=password and _stored(session, password, name))
    _join(session, name, inputs.get("roles") or [])
    paths = inputs.get("searchPaths") or []
    if paths:
        session.search_path(name, paths)
    else:
        session.run("ALTER ROLE {} RESET search_path", name)
    for key, setting in (
        ("statementTimeout", "statement_timeout"),
        ("idleInTransactionSessionTimeout", "idle_in_transaction_session_timeout"),
        ("assumeRole", "role"),
    ):
        if inputs.get(key):
            session.run("ALTER ROLE {} SET {} TO {value}", name, setting, value=inputs[key])
        else:
            session.run("ALTER ROLE {} RESET {}", name, setting)


def _stored(session: "Session", password: str, name: str) -> str:
    """What the server stores for a password; one that is hashed already is stored as it is."""
    return password if password.startswith(_HASHED) else session.verifier(password, name)


def _join(session: "Session", name: str, wanted: Sequence[str]) -> None:
    """Makes the role a member of exactly the wanted roles."""
    now = _memberships(session, name)
    for role in now:
        if role not in wanted:
            session.run("REVOKE {} FROM {}", role, name)
    for role in wanted:
        if role not in now:
            session.run("GRANT {} TO {}", role, name)


def _memberships(session: "Session", name: str) -> list[str]:
    return (session.row(_MEMBERSHIPS, name) or {"roles": []})["roles"]


def _outputs(session: "Session", name: str, state: dict[str, Any]) -> dict[str, Any] | None:
    wanted_until = state.get("validUntil", "infinity")
    row = session.row(_READ, wanted_until, name)
    if row is None:
        return None
    settings = dict(setting.split("=", 1) for setting in row["rolconfig"] or [])
    return {
        "name": name,
        "password": _password(state.get("password"), row["verifier"]),
        "encryptedPassword": True,
        "validUntil": wanted_until if row["until_as_wanted"] else row["until"],
        "connectionLimit": row["rolconnlimit"],
        **{key: row[column] for key, (_, column) in _OPTIONS.items()},
        "roles": _memberships(session, name),
        "searchPaths": [path.strip('"') for path in settings.get("search_path", "").split(", ") if path],
        "statementTimeout": int(settings.get("statement_timeout", 0)),
        "idleInTransactionSessionTimeout": int(settings.get("idle_in_transaction_session_timeout", 0)),
        "assumeRole": settings.get("role", ""),
        "skipDropRole": bool(state.get("skipDropRole")),
        "skipReassignOwned": bool(state.get("skipReassignOwned")),
        "encrypted": None,
        "passwordWo": None,
        "passwordWoVersion": None,
    }


def _password(known: str | None, stored: str | None) -> str | None:
    """The password as the state has it while it is the one on the server, else what the server stores."""
    return known if known is None or matches(known, stored or "") else stored


def matches(password: str, stored: str) -> bool:
    """Whether a stored verifier is of this password (RFC 5803; other kinds than SCRAM are taken on trust)."""
    if password.startswith(_HASHED) or not stored:
        return password == stored
    if not stored.startswith("SCRAM-SHA-256$") or not password.isascii():
        return True  # not ASCII: what is hashed may be another spelling (SASLprep)
    iterations, salt = stored.split("$")[1].split(":")
    stored_key = stored.split("$")[2].split(":")[0]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(iterations))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(key).digest(), b64decode(stored_key))
