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
        on_server = ResourceOptions(parent=self, provider=admin, retain_on_delete=args.network.keep_data)
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
                files={_SUPERUSER: superuser},
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
