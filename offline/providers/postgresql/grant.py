"""What a role, or everybody, may do with a database."""

from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ProviderError, ResourceType
from ..values import UNKNOWN

if TYPE_CHECKING:
    from .server import Server, Session

_ALL = {"CONNECT", "CREATE", "TEMPORARY"}

# A database whose rights were never touched has no list of them: acldefault says what then holds.
_READ = """
    SELECT ARRAY(
        SELECT privilege_type::text FROM aclexplode(coalesce(datacl, acldefault('d', datdba)))
        WHERE grantee = roles.oid ORDER BY 1
    ) AS privileges, rolname::text AS role, datname::text AS database
    FROM pg_database, (SELECT oid, rolname FROM pg_roles UNION ALL SELECT 0, 'public') AS roles
"""


class Grant(ResourceType):
    """postgresql:index/grant:Grant (pulumi-postgresql 3.18.2, over cyrilgdn/terraform-provider-postgresql).

    On databases only. No privileges on the role `public` is how everybody loses CONNECT and TEMPORARY.
    """

    token = "postgresql:index/grant:Grant"
    properties = {
        "database": Prop(str, required=True, replaces=True),
        "role": Prop(str, required=True, replaces=True),
        "objectType": Prop(str, required=True, replaces=True),
        "privileges": Prop(list, of=str, required=True, unordered=True),
        "withGrantOption": Prop(bool, implied=False, replaces=True),
        "schema": Prop(str, output=True),
        "objects": Prop(list, output=True),
        "columns": Prop(list, output=True),
    }
    delete_before_replace = True

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        kind = inputs["objectType"]
        if kind not in ("database", UNKNOWN):
            raise CheckError("objectType", f"the offline provider grants on a 'database' only, not on a '{kind}'")
        privileges = inputs["privileges"]
        if privileges == UNKNOWN:
            return inputs
        wrong = sorted(set(privileges) - _ALL - {"ALL", UNKNOWN})
        if wrong:
            raise CheckError("privileges", f"a database has no privilege {wrong[0]}; it has ALL, {', '.join(_ALL)}")
        return {**inputs, "privileges": privileges or None}

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        outputs = self.update(client, "", {}, inputs)
        return f"{inputs['role']}_{inputs['database']}_database", outputs

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        with client.reading() as session:
            return _outputs(session, state) if state else _found(session, id)

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        with client.changing() as session:
            _revoke(session, inputs)
            if inputs["privileges"]:
                session.grant(inputs["privileges"], inputs["database"], inputs["role"], inputs.get("withGrantOption"))
            outputs = _outputs(session, inputs)
        if outputs is None:
            raise ProviderError(f"there is no database {inputs['database']} or no role {inputs['role']} to grant on")
        return outputs

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        with client.changing() as session:
            if _outputs(session, state):
                _revoke(session, state)


def _revoke(session: "Session", grant: dict[str, Any]) -> None:
    if grant["role"] == "public":
        session.run("REVOKE ALL ON DATABASE {} FROM PUBLIC", grant["database"])
    else:
        session.run("REVOKE ALL ON DATABASE {} FROM {}", grant["database"], grant["role"])


def _outputs(session: "Session", grant: dict[str, Any]) -> dict[str, Any] | None:
    row = session.row(_READ + "WHERE datname = %s AND rolname = %s", grant["database"], grant["role"])
    if row is None:
        return None
    wanted, held = grant.get("privileges") or [], row["privileges"]
    same = set(held) == (_ALL if "ALL" in wanted else set(wanted))
    return {
        "database": grant["database"],
        "role": grant["role"],
        "objectType": "database",
        "privileges": (sorted(wanted) if same else held) or None,
        "withGrantOption": bool(grant.get("withGrantOption")),
        "schema": None,
        "objects": None,
        "columns": None,
    }


def _found(session: "Session", id: str) -> dict[str, Any] | None:
    """The grant that an id names: a role and a database may both hold the separator, so the server is asked."""
    row = session.row(_READ + "WHERE rolname || '_' || datname || '_database' = %s", id)
    return row and _outputs(session, row)
