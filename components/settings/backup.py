"""Where copies of everything go, with which key, and how long they stay."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from components.settings.values import (
    Bucket,
    File,
    Folder,
    HostKey,
    HostName,
    Port,
    Slug,
    Strict,
    Username,
    WebAddress,
    spelled_out,
    told_by,
)


class Nowhere(Strict):
    """No backup at all."""

    kind: Literal["none"]
    """There is none."""


class OwnVolume(Strict):
    """A volume of the stack's own: against mistakes, not against the loss of the machine."""

    kind: Literal["volume"]
    """A volume of Docker on the stack's own machine."""


class HostFolder(Strict):
    """A folder of the machine that runs Docker, where a disk or a share of another machine is mounted."""

    kind: Literal["folder"]
    """A folder of the host."""
    folder: Folder
    """Where it is."""


class S3(Strict):
    """A bucket of somebody else's."""

    kind: Literal["s3"]
    """An S3 server that is not the stack's own."""
    endpoint: WebAddress
    """Its address."""
    bucket: Bucket
    """A bucket that is there."""
    folder: Slug | None = None
    """The folder in the bucket; by default its top."""
    region: Slug = "us-east-1"
    """The bucket's region."""
    credentials: File
    """A file as AWS' tools have it (`aws_access_key_id` and `aws_secret_access_key` under `[default]`); a path from the
    project's folder."""


class Sftp(Strict):
    """A machine that is reached by SSH."""

    kind: Literal["sftp"]
    """A folder of another machine, over SSH."""
    host: HostName
    """The machine."""
    port: Port = 22
    """Its port."""
    user: Username
    """The user there; his `authorized_keys` needs the output `backup_public_key`."""
    folder: Folder
    """Where he may write."""
    host_keys: Annotated[tuple[HostKey, ...], Field(min_length=1)]
    """The machine's own keys, all that `ssh-keyscan` shows, without its name: one of each type, and the machine may
    show any of them. No others are believed."""


Place = OwnVolume | HostFolder | S3 | Sftp
"""Where a backup is."""

Kind = Literal["none", "volume", "folder", "s3", "sftp"]


To = Annotated[
    Annotated[Nowhere, Tag("none")]
    | Annotated[OwnVolume, Tag("volume")]
    | Annotated[HostFolder, Tag("folder")]
    | Annotated[S3, Tag("s3")]
    | Annotated[Sftp, Tag("sftp")],
    Discriminator(told_by("kind")),
    BeforeValidator(
        spelled_out("kind"),
        json_schema_input_type=Literal["none", "volume"] | Nowhere | OwnVolume | HostFolder | S3 | Sftp,
    ),
]


class Keep(Strict):
    """How long backups stay."""

    days: int = Field(default=7, ge=1, le=400)
    """So many days back any second can be restored."""
    weeks: int = Field(default=4, ge=0, le=260)
    """The newest backup of each of so many weeks."""
    months: int = Field(default=6, ge=0, le=120)
    """The newest backup of each of so many months. Overwritten and deleted artifacts stay for the longest of the
    three."""


class Backup(Strict):
    """Copies of everything, encrypted with one key: records as they are written, artifacts in rounds."""

    to: To = OwnVolume(kind="volume")
    """The place; a stack with domains that keeps its data has to name one that is not a volume of this machine."""
    key: File | None = None
    """A file with the key (16 characters or more); by default one is made, the output `backup_key`. Without it no
    backup can be read: keep it somewhere else."""
    keep: Keep = Keep()
    database_seconds: int = Field(default=5, ge=1, le=3600)
    """The records of so many seconds may be lost with the machine."""
    artifacts_every: int = Field(default=300, ge=10, le=86400)
    """Seconds between two rounds of artifacts."""

    @property
    def place(self) -> Place | None:
        return None if isinstance(self.to, Nowhere) else self.to
