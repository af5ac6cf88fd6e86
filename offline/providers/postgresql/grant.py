"""What a role, or everybody, may do with a database, a function or tables."""

from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, ResourceType
from ..values import UNKNOWN

if TYPE_CHECKING:
    from .server import Server, Session

_ALL = {
    "database": {"CONNECT", "CREATE", "TEMPORARY"},
    "function": {"EXECUTE"},
    "table": {"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"},
}

# A database whose rights were never touched has no list of them: acldefault says what then holds.
_READ = """
    SELECT ARRAY(
        SELECT privilege_type::text FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE grantee = roles.oid ORDER BY 1
    ) AS privileges, rolname::text AS role, datname::text AS database
    FROM pg_database, (SELECT oid, rolname FROM pg_roles UNION ALL SELECT 0, 'public') AS roles
"""
_READ_FUNCTION = """
    SELECT ARRAY(
        SELECT privilege_type::text FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
        WHERE grantee = roles.oid ORDER BY 1
    ) AS privileges
    FROM pg_proc, (SELECT oid, rolname FROM pg_roles UNION ALL SELECT 0, 'public') AS roles
    WHERE pronamespace::regnamespace::text = %s AND proname = %s AND rolname = %s
"""
# What of all these tables is the role's; no row where one of them is not there.
_READ_TABLES = """
    WITH tables AS (
        SELECT oid, coalesce(relacl, acldefault('r', relowner)) AS acl FROM pg_class
        WHERE relnamespace::regnamespace::text = %s AND relname = ANY(%s::text[]) AND relkind IN ('r', 'p')
    )
    SELECT ARRAY(
        SELECT privilege_type::text FROM tables, aclexplode(acl) WHERE grantee = roles.oid
        GROUP BY 1 HAVING count(DISTINCT tables.oid) = (SELECT count(*) FROM tables) ORDER BY 1
    ) AS privileges
    FROM pg_roles AS roles WHERE rolname = %s AND (SELECT count(*) FROM tables) = %s
"""


class Grant(ResourceType):
    """postgresql:index/grant:Grant (pulumi-postgresql 3.18.2, over cyrilgdn/terraform-provider-postgresql).

    On databases, on one function of the database that the provider is connected to, and on tables of any. No privileges
    on the role `public` is how everybody loses CONNECT and TEMPORARY.
    """

    token = "postgresql:index/grant:Grant"
    properties = {
        "database": Prop(str, required=True, replaces=True),
        "role": Prop(str, required=True, replaces=True),
        "objectType": Prop(str, required=True, replaces=True),
        "privileges": Prop(list, of=str, required=True, unordered=True),
        "withGrantOption": Prop(bool, implied=False, replaces=True),
        "schema": Prop(str, replaces=True),
        "objects": Prop(list, of=str, replaces=True),
        "columns": Prop(list, output=True),
    }
    delete_before_replace = True

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        kind = inputs["objectType"]
        if kind not in (*_ALL, UNKNOWN):
            raise CheckError(
                "objectType", f"the offline provider grants on a database, a function or tables, not on a '{kind}'"
            )
        if kind == "function" and (not inputs.get("schema") or len(inputs.get("objects") or []) != 1):
            raise CheckError("objects", "the offline provider grants on one function at a time, with its schema")
        if kind == "table" and (not inputs.get("schema") or not inputs.get("objects")):
            raise CheckError("objects", "the offline provider grants on tables by their names, with their schema")
        privileges = inputs["privileges"]
        if UNKNOWN in (privileges, kind):
            return inputs
        wrong = sorted(set(privileges) - _ALL[kind] - {"ALL", UNKNOWN})
        if wrong:
            known = ", ".join(sorted(_ALL[kind]))
            raise CheckError("privileges", f"a {kind} has no privilege {wrong[0]}; it has ALL, {known}")
        return {**inputs, "privileges": privileges or None}

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        outputs = self.update(client, "", {}, inputs)
        parts = [inputs["role"], inputs["database"], inputs["objectType"]]
        if inputs["objectType"] != "database":
            parts[2:] = [inputs["schema"], inputs["objectType"], *inputs["objects"]]
        return "_".join(parts), outputs

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        with client.reading(_place(state)) as session:
            return _outputs(session, state) if state else _found(session, id)

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        with client.changing(_place(inputs)) as session:
            _revoke(session, inputs)
            if inputs["privileges"]:
                session.grant(inputs["privileges"], _on(inputs), inputs["role"], inputs.get("withGrantOption"))
            outputs = _outputs(session, inputs)
        if outputs is None:
            what = ", ".join(".".join(names) for names in _on(inputs)[1])
            raise ProviderError(f"there is no {inputs['objectType']} {what} or no role {inputs['role']} to grant on")
        return outputs

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with client.changing(_place(state)) as session:
            if _outputs(session, state):
                _revoke(session, state)


def _place(grant: dict[str, Any]) -> str | None:
    """The database that one has to be connected to; None where any does."""
    return grant["database"] if grant.get("objectType") == "table" else None


def _on(grant: dict[str, Any]) -> tuple[str, list[tuple[str, ...]]]:
    """What it is on: the kind, and the names, each with its schema."""
    if grant["objectType"] == "database":
        return "database", [(grant["database"],)]
    return grant["objectType"], [(grant["schema"], name) for name in grant["objects"]]


def _revoke(session: "Session", grant: dict[str, Any]) -> None:
    session.revoke(_on(grant), grant["role"])


def _outputs(session: "Session", grant: dict[str, Any]) -> dict[str, Any] | None:
    kind = grant["objectType"]
    if kind == "database":
        row = session.row(_READ + "WHERE datname = %s AND rolname = %s", grant["database"], grant["role"])
    elif kind == "table":
        row = session.row(_READ_TABLES, grant["schema"], grant["objects"], grant["role"], len(grant["objects"]))
    else:
        row = session.row(_READ_FUNCTION, grant["schema"], *grant["objects"], grant["role"])
    if row is None:
        return None
    wanted, held = grant.get("privileges") or [], row["privileges"]
    same = set(held) == (_ALL[kind] if "ALL" in wanted else set(wanted))
    return {
        "database": grant["database"],
        "role": grant["role"],
        "objectType": kind,
        "privileges": (sorted(wanted) if same else held) or None,
        "withGrantOption": bool(grant.get("withGrantOption")),
        "schema": grant.get("schema"),
        "objects": grant.get("objects"),
        "columns": None,
    }


def _found(session: "Session", id: str) -> dict[str, Any] | None:
    """The grant that an id names: a role and a database may both hold the separator, so the server is asked."""
    row = session.row(_READ + "WHERE rolname || '_' || datname || '_database' = %s", id)
    return row and _outputs(session, {**row, "objectType": "database"})
