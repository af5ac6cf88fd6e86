"""Backup: one container that copies everything, as it changes, to a place where nobody reads it without the key."""

import configparser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_tls as tls
from pulumi import Input, Output, ResourceOptions

from components import named_files
from components.database import Connection
from components.network import Network, ServiceArgs
from components.object_store import Access
from components.passwords import password
from components.settings import S3, HostFolder, OwnVolume, Place, Sftp
from components.settings import Backup as Settings

_SETTINGS_FILE = "/etc/mlflow-platform/backup.json"
_LOG_LIMIT = 4 << 30  # bytes of log that wait for a place that is away, before they stay in PostgreSQL
_KNOWN_HOSTS_FILE = "/etc/mlflow-platform/known_hosts"
_SECRETS_FILE = "/run/secrets/backup.json"
_LEAST_KEY = 16  # characters


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    """What a Backup needs. `place` is where to; `counted` are the databases that its manifests count in."""

    network: Network
    image: Input[str]
    settings: Settings
    place: Place
    database: Connection
    counted: Sequence[str]
    artifacts: Access
    object_store_url: str  # on the platform's network
    bucket: Output[str]
    region: str
    versions: Mapping[str, str]
    memory_mb: int = 512  # 70 at rest; rclone takes its buffers, and zstd its window, while something is sent


class Backup(pulumi.ComponentResource):
    """The container, what it has to send still on a volume, and the key to what it sent.

    It reads PostgreSQL's log as a standby would, and MinIO as a user who can only read. Nobody asks it anything over
    the network. Its place may fill up or vanish without harm to the rest: it says so, and goes on when it can.
    """

    key: Output[str] | None
    """Made by the stack, where the settings name none; a secret, and of use only outside of this machine."""
    public_key: Output[str] | None
    """What a place that is reached by SSH has to know."""

    def __init__(self, name: str, args: BackupArgs, opts: ResourceOptions | None = None):
        super().__init__("mlflow-platform:index:Backup", name, None, opts)
        given = args.settings.key
        self.key = None if given else password(f"{name}-key", self)
        identity = (
            tls.PrivateKey(f"{name}-ssh", algorithm="ED25519", opts=ResourceOptions(parent=self))
            if isinstance(args.place, Sftp)
            else None
        )
        self.public_key = identity.public_key_openssh if identity else None
        mounts: dict[str, Input[str]] = {}
        if isinstance(args.place, OwnVolume):
            mounts["/place"] = args.network.volume(f"{name}-place", self).name
        elif isinstance(args.place, HostFolder):
            mounts["/place"] = args.place.folder
        known_hosts = {_KNOWN_HOSTS_FILE: _known_hosts(args.place)} if isinstance(args.place, Sftp) else {}
        args.network.service(
            name,
            ServiceArgs(
                image=args.image,
                user="0:0",  # without any capability; a place's folder belongs to whom its owner likes
                files={
                    _SETTINGS_FILE: Output.json_dumps(self._settings(args), indent=1),
                    _SECRETS_FILE: Output.json_dumps(
                        {
                            "key": self.key or Output.secret(_key(given or "")),
                            "postgres_password": args.database.password,
                            "s3_access_key": args.artifacts.access_key,
                            "s3_secret_key": args.artifacts.secret_key,
                            "place": _secrets(args.place, identity),
                        }
                    ),
                    **known_hosts,
                },
                volumes={"/var/lib/backup": args.network.volume(name, self).name, **mounts},
                healthcheck=["CMD", "test", "-S", "/run/backup/control.sock"],
                memory_mb=args.memory_mb,
                memory_folders={"/run/backup": 16, "/tmp": 16},
                start_seconds=60,
            ),
            ResourceOptions(parent=self),
        )
        self.register_outputs({"key": self.key, "public_key": self.public_key})

    def _settings(self, args: BackupArgs) -> dict[str, Any]:
        """No secret."""
        return {
            "stack": pulumi.get_stack(),
            "place": _described(args.place),
            "keep": args.settings.keep.model_dump(),
            "database_seconds": args.settings.database_seconds,
            "artifacts_every": args.settings.artifacts_every,
            "log_limit": _LOG_LIMIT,
            "postgres": {"host": args.database.host, "port": args.database.port, "user": args.database.user},
            "databases": list(args.counted),
            "s3": {"endpoint": args.object_store_url, "bucket": args.bucket, "region": args.region},
            "versions": dict(args.versions),
        }


def _described(place: Place) -> dict[str, Any]:
    """The place as the container knows it; `name` is for people."""
    match place:
        case OwnVolume():
            return {"kind": "volume", "name": "the backup volume"}
        case HostFolder():
            return {"kind": "folder", "name": place.folder}
        case S3():
            path = "/".join(part for part in (place.bucket, place.folder) if part)
            return {
                "kind": "s3",
                "name": f"{place.endpoint}/{path}",
                "endpoint": place.endpoint,
                "region": place.region,
                "path": path,
            }
        case Sftp():
            return {
                "kind": "sftp",
                "name": f"sftp://{place.host}{place.folder}",
                "host": place.host,
                "port": place.port,
                "user": place.user,
                "path": place.folder,
                "known_hosts_file": _KNOWN_HOSTS_FILE,
            }


def _known_hosts(place: Sftp) -> str:
    host = place.host if place.port == 22 else f"[{place.host}]:{place.port}"
    return "".join(f"{host} {key}\n" for key in place.host_keys)


def _secrets(place: Place, identity: tls.PrivateKey | None) -> dict[str, Input[str]]:
    """Options of rclone's."""
    if identity:
        return {"key_pem": identity.private_key_openssh}
    if not isinstance(place, S3):
        return {}
    found = configparser.ConfigParser()
    try:
        found.read_string(named_files.read("backup.to.credentials", place.credentials))
        pair = found["default"]
        access, secret = pair["aws_access_key_id"], pair["aws_secret_access_key"]
    except (configparser.Error, KeyError):
        raise named_files.NamedFileError(
            f"backup.to.credentials: {place.credentials} needs aws_access_key_id and aws_secret_access_key "
            "under [default]"
        ) from None
    return {"access_key_id": Output.secret(access), "secret_access_key": Output.secret(secret)}


def _key(path: str) -> str:
    key = named_files.read("backup.key", path).strip()
    if len(key) < _LEAST_KEY or not key.isprintable():
        raise named_files.NamedFileError(f"backup.key: {path} needs one line of at least {_LEAST_KEY} characters")
    return key
