"""The PostgreSQL server and the databases on it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker
import pulumi_postgresql as postgresql
from pulumi import Input, Output, ResourceOptions

from components.network import Network, ServiceArgs
from components.passwords import password

_PORT = 5432
_SUPERUSER = "/run/secrets/postgres-superuser"  # a file with its password
_HBA, _IDENT = "/etc/mlflow-platform/pg_hba.conf", "/etc/mlflow-platform/pg_ident.conf"
_BACKUP = "backup"
# Inside the container, root may stand for the server's user. Neither image lets anybody copy the log by itself.
_WHO_MAY_CONNECT = f"""\
local all all peer map=inside
host all all all scram-sha-256
host replication {_BACKUP} all scram-sha-256
"""
_INSIDE = "inside postgres all\ninside root all\n"
_SETTINGS = {
    "hba_file": _HBA,
    "ident_file": _IDENT,
    "max_slot_wal_keep_size": "4GB",  # so much log waits for a backup that is down, before the disk matters more
}
_TO_COPY = ("pg_backup_start", "pg_backup_stop", "pg_switch_wal", "pg_create_restore_point")
_DATA = "/var/lib/postgresql/data"
_FIRST_MAJOR = 17  # whose volume has the bare name


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    """What a Database needs. `admin_port` is a host port on loopback; `databases` are names, each of a service."""

    network: Network
    image: Input[str]
    major: int
    admin_port: int
    databases: Sequence[str]
    memory_mb: int = 512


@dataclass(frozen=True)
class Connection:
    """How one service reaches its own database over the platform's network; resolves once the database is ready."""

    host: str
    port: int
    database: Output[str]
    user: Output[str]
    password: Output[str]  # secret

    def uri(self, scheme: str) -> Output[str]:
        """The connection as a URI, for example of scheme postgresql+psycopg; a secret."""
        return pulumi.Output.format(
            "{0}://{1}:{2}@{3}:{4}/{5}", scheme, self.user, self.password, self.host, self.port, self.database
        )


class Database(pulumi.ComponentResource):
    """One server; a database and an owner per service, who alone may connect to it. Only Pulumi is superuser."""

    connections: dict[str, Connection]

    def __init__(self, name: str, args: DatabaseArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Database", name, None, opts)
        superuser = password(f"{name}-superuser", self)
        server = self._server(name, args, superuser)
        admin = postgresql.Provider(
            f"{name}-admin",
            host="127.0.0.1",
            port=args.admin_port,
            username="postgres",
            password=superuser,
            sslmode="disable",  # over loopback
            opts=ResourceOptions(parent=self, depends_on=[server]),
        )
        # Where the volume stays, so do the databases on it.
        self._name = name
        self._on_server = on_server = ResourceOptions(
            parent=self, provider=admin, retain_on_delete=args.network.keep_data
        )
        self.connections = {database: self._database(name, database, on_server) for database in args.databases}
        self.register_outputs({})

    def _server(self, name: str, args: DatabaseArgs, superuser: Output[str]) -> docker.Container:
        # A server reads only files of its own major version: each has a volume, and the one before stays as it was.
        volume = args.network.volume(name if args.major == _FIRST_MAJOR else f"{name}-{args.major}", self)
        return args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                envs=[f"POSTGRES_PASSWORD_FILE={_SUPERUSER}", f"PGDATA={_DATA}"],  # upstream's moves with the major
                files={_SUPERUSER: superuser, _HBA: _WHO_MAY_CONNECT, _IDENT: _INSIDE},
                command=[
                    "postgres",
                    *(part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")),
                ],
                volumes={_DATA: volume.name},
                ports=[docker.ContainerPortArgs(internal=_PORT, external=args.admin_port, ip="127.0.0.1")],
                # Over TCP: while the entrypoint initialises the data, the server listens on its socket alone.
                healthcheck=["CMD", "pg_isready", "--quiet", "--host=127.0.0.1", "--username=postgres"],
                memory_mb=args.memory_mb,
                memory_folders={"/tmp": 16, "/var/run/postgresql": 1},
                # The entrypoint is root, takes over the volume and becomes the server's user for good.
                capabilities=["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"],
                start_seconds=60,
                interval="1s",
            ),
            ResourceOptions(parent=self),
        )

    def _database(self, name: str, database: str, on_server: ResourceOptions) -> Connection:
        label = f"{name}-{database.replace('_', '-')}"
        secret = password(label, self)
        owner = postgresql.Role(label, name=database, login=True, password=secret, opts=on_server)
        created = postgresql.Database(label, name=database, owner=owner.name, opts=on_server)
        closed = postgresql.Grant(
            f"{label}-public",
            database=created.name,
            role="public",
            object_type="database",
            privileges=[],
            opts=on_server,
        )
        # By way of the grant, so that nobody connects before the database is closed to everybody else.
        return Connection(host=name, port=_PORT, database=closed.database, user=owner.name, password=secret)

    def reader(self, reading: str, of: str, tables: Sequence[str], once: pulumi.Resource) -> Connection:
        """The owner of the database `reading`, at these tables of another, which are there once that resource is."""
        who, other = self.connections[reading], self.connections[of]
        label = f"{self._name}-{reading.replace('_', '-')}-reads-{of}"
        on_server = ResourceOptions.merge(self._on_server, ResourceOptions(depends_on=[once]))
        connecting = postgresql.Grant(
            label,
            database=other.database,
            role=who.user,
            object_type="database",
            privileges=["CONNECT"],
            opts=on_server,
        )
        granted = postgresql.Grant(
            f"{label}-tables",
            database=connecting.database,
            role=who.user,
            object_type="table",
            schema="public",
            objects=list(tables),
            privileges=["SELECT"],
            opts=on_server,
        )
        return Connection(
            host=other.host, port=other.port, database=granted.database, user=who.user, password=who.password
        )

    def backup_role(self) -> Connection:
        """Who may copy everything and change nothing: what Barman's manual asks for, and to count what is there."""
        label, on_server = f"{self._name}-{_BACKUP}", self._on_server
        secret = password(label, self)
        role = postgresql.Role(
            label,
            name=_BACKUP,
            login=True,
            replication=True,
            roles=["pg_checkpoint", "pg_read_all_data", "pg_read_all_settings", "pg_read_all_stats"],
            password=secret,
            opts=on_server,
        )
        connecting = [
            postgresql.Grant(
                f"{label}-{database.replace('_', '-')}",
                database=connection.database,
                role=role.name,
                object_type="database",
                privileges=["CONNECT"],
                opts=on_server,
            )
            for database, connection in self.connections.items()
        ]
        copying = [
            postgresql.Grant(
                f"{label}-{function.replace('_', '-')}",
                database="postgres",
                schema="pg_catalog",
                role=role.name,
                object_type="function",
                objects=[function],
                privileges=["EXECUTE"],
                opts=on_server,
            )
            for function in _TO_COPY
        ]
        user = Output.all(role.name, *(grant.id for grant in (*connecting, *copying))).apply(lambda made: made[0])
        return Connection(
            host=self._name, port=_PORT, database=Output.from_input("postgres"), user=user, password=secret
        )
