"""Databases and who owns them."""

from typing import TYPE_CHECKING, Any

from ..base import CheckError, Prop, ResourceType

if TYPE_CHECKING:
    from .server import Server, Session

_READ = """
    SELECT pg_get_userbyid(datdba)::text AS owner, pg_encoding_to_char(encoding)::text AS encoding,
           datcollate AS collate, datctype AS ctype, spcname::text AS tablespace,
           datconnlimit AS limit, datallowconn AS allow, datistemplate AS template
    FROM pg_database JOIN pg_tablespace ON pg_tablespace.oid = dattablespace WHERE datname = %s
"""


class Database(ResourceType):
    """postgresql:index/database:Database (pulumi-postgresql 3.18.2, over cyrilgdn/terraform-provider-postgresql)."""

    token = "postgresql:index/database:Database"
    properties = {
        "name": Prop(str, auto_name=True),
        "owner": Prop(str, computed=True),
        "template": Prop(str, computed=True, replaces=True),
        "encoding": Prop(str, computed=True, replaces=True),
        "lcCollate": Prop(str, computed=True, replaces=True),
        "lcCtype": Prop(str, computed=True, replaces=True),
        "tablespaceName": Prop(str, computed=True),
        "connectionLimit": Prop(int, default=-1),
        "allowConnections": Prop(bool, default=True),
        "isTemplate": Prop(bool, computed=True),
        "alterObjectOwnership": Prop(bool, implied=False),
    }
    delete_before_replace = True

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs.get("alterObjectOwnership") is True:
            raise CheckError("alterObjectOwnership", "the offline provider leaves objects to their owner; leave it out")
        return inputs

    def create(self, client: "Server", inputs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        with client.writing() as session:
            session.create_database(
                name,
                template=inputs.get("template") or "template0",
                encoding=inputs.get("encoding") or "UTF8",
                owner=inputs.get("owner"),
                tablespace=inputs.get("tablespaceName"),
                values={"LC_COLLATE": inputs.get("lcCollate"), "LC_CTYPE": inputs.get("lcCtype")},
            )
            _configure(session, inputs)
            return name, _outputs(session, name, inputs) or {}

    def read(self, client: "Server", id: str, state: dict[str, Any]) -> dict[str, Any] | None:
        with client.reading() as session:
            return _outputs(session, state.get("name", id), state)

    def update(self, client: "Server", id: str, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
        name = inputs["name"]
        with client.writing() as session:
            if state["name"] != name:
                session.run("ALTER DATABASE {} RENAME TO {}", state["name"], name)
            if inputs.get("owner"):
                session.run("ALTER DATABASE {} OWNER TO {}", name, inputs["owner"])
            if inputs.get("tablespaceName") not in (None, state["tablespaceName"]):
                session.run("ALTER DATABASE {} SET TABLESPACE {}", name, inputs["tablespaceName"])
            _configure(session, inputs)
            return _outputs(session, name, {**state, **inputs}) or {}

    def delete(self, client: "Server", id: str, state: dict[str, Any]) -> None:
        name = state.get("name", id)
        with client.writing() as session:
            found = session.row(_READ, name)
            if found and found["template"]:
                session.run("ALTER DATABASE {} IS_TEMPLATE false", name)
            session.run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _configure(session: "Session", inputs: dict[str, Any]) -> None:
    name = inputs["name"]
    session.run("ALTER DATABASE {} CONNECTION LIMIT {limit}", name, limit=inputs["connectionLimit"])
    session.run("ALTER DATABASE {} ALLOW_CONNECTIONS {allow}", name, allow=inputs["allowConnections"])
    if inputs.get("isTemplate") is not None:
        session.run("ALTER DATABASE {} IS_TEMPLATE {is_template}", name, is_template=inputs["isTemplate"])


def _outputs(session: "Session", name: str, state: dict[str, Any]) -> dict[str, Any] | None:
    row = session.row(_READ, name)
    return row and {
        "name": name,
        "owner": row["owner"],
        "template": state.get("template") or "template0",  # the server does not remember it
        "encoding": row["encoding"],
        "lcCollate": row["collate"],
        "lcCtype": row["ctype"],
        "tablespaceName": row["tablespace"],
        "connectionLimit": row["limit"],
        "allowConnections": row["allow"],
        "isTemplate": row["template"],
        "alterObjectOwnership": bool(state.get("alterObjectOwnership")),
    }
