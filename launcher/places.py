"""Where a restore comes from: what `--from` says, or the place that the stack itself writes to."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launcher.console import Failure
from launcher.state import State, plain

FORMS = "/folder, volume:NAME, sftp://USER@HOST[:PORT]/folder, or s3:https://ENDPOINT/BUCKET[/FOLDER]"
_SETTINGS, _SECRETS = "/etc/mlflow-platform/backup.json", "/run/secrets/backup.json"
_KNOWN_HOSTS = "/run/backup/known_hosts"  # in the restore's own container


@dataclass(frozen=True)
class Source:
    """What the backup image is told (all but the key of a bare machine is in `secrets`), and what it mounts."""

    settings: Mapping[str, Any]
    secrets: Mapping[str, Any]
    mounts: tuple[str, ...] = ()

    def asking(self, **more: Mapping[str, Any]) -> str:
        """For its stdin; `more` settings and secrets beside the place's."""
        settings = {**self.settings, **more.get("settings", {})}
        return json.dumps({"settings": settings, "secrets": {**self.secrets, **more.get("secrets", {})}})

    def keep(self, file: Path) -> None:
        """For its owner's eyes, as Docker has it too where the stack has a backup."""
        file.touch(mode=0o600)
        file.write_text(json.dumps(asdict(self)))

    @classmethod
    def kept(cls, file: Path) -> "Source | None":
        if not file.exists():
            return None
        kept = json.loads(file.read_text())
        return cls(kept["settings"], kept["secrets"], tuple(kept["mounts"]))


def of_stack(state: State) -> Source | None:
    """As the stack's own backup container is told, out of a state with readable secrets."""
    resources = {
        resource["urn"].rpartition("::")[2]: resource for resource in state.resources if "Container" in resource["type"]
    }
    if "backup" not in resources:
        return None
    uploads = {file["file"]: plain(file["content"]) for file in plain(resources["backup-files"]["inputs"]["uploads"])}
    settings, secrets = json.loads(uploads[_SETTINGS]), json.loads(uploads[_SECRETS])
    mounts = plain(resources["backup"]["inputs"]["volumes"])
    place = next((mount for mount in mounts if mount.get("containerPath") == "/place"), None)
    if hosts := next((text for file, text in uploads.items() if file.endswith("known_hosts")), None):
        settings["place"]["known_hosts"] = hosts
    return Source(settings, secrets, (f"{place.get('volumeName') or place['hostPath']}:/place",) if place else ())


def named(text: str, key: str, *, ssh_key: Path | None, host_keys: Sequence[str]) -> Source:
    """Raises Failure, with the forms there are, for what is none of them."""
    kind, _, rest = text.partition(":")
    if text.startswith("/"):
        return _mounted("folder", text, key)
    if kind == "volume" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", rest):
        return _mounted("volume", rest, key)
    if kind == "sftp":
        return _sftp(text, key, ssh_key, host_keys)
    if kind == "s3" and rest.startswith(("https://", "http://")):
        return _s3(rest, key)
    raise Failure(f"--from {text} is no place: it is one of {FORMS}.")


def _mounted(kind: str, name: str, key: str) -> Source:
    return Source({"place": {"kind": kind, "name": name}}, {"key": key}, (f"{name}:/place",))


def _sftp(text: str, key: str, ssh_key: Path | None, host_keys: Sequence[str]) -> Source:
    parts = urlsplit(text)
    if not parts.username or not parts.hostname or not parts.path:
        raise Failure(f"--from {text} is no place: it is one of {FORMS}.")
    if not ssh_key or not host_keys:
        raise Failure(
            f"--from {text} needs --ssh-key FILE, and a --host-key for each line of ssh-keyscan, without the name."
        )
    port = parts.port or 22
    place = {"kind": "sftp", "name": text, "host": parts.hostname, "port": port, "user": parts.username}
    place |= {"path": parts.path, "known_hosts_file": _KNOWN_HOSTS}
    host = parts.hostname if port == 22 else f"[{parts.hostname}]:{port}"
    place["known_hosts"] = "".join(f"{host} {host_key}\n" for host_key in host_keys)
    return Source({"place": place}, {"key": key, "place": {"key_pem": _read(ssh_key)}})


def _s3(address: str, key: str) -> Source:
    parts = urlsplit(address)
    access, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if not access or not secret:
        raise Failure("--from s3:... needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
    place = {
        "kind": "s3",
        "name": address,
        "endpoint": f"{parts.scheme}://{parts.netloc}",
        "path": parts.path.strip("/"),
    }
    place["region"] = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    return Source({"place": place}, {"key": key, "place": {"access_key_id": access, "secret_access_key": secret}})


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}") from None
