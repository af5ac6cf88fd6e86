"""What rclone is told of: the place itself, the encryption over it, and MinIO; in a file, since it has secrets."""

import os
import subprocess
from pathlib import Path
from typing import Any

from platform_backup.config import Config


def write(config: Config, file: Path) -> None:
    """Makes rclone's configuration; whoever reads it meanwhile has the one from before."""
    text = "".join(
        f"[{name}]\n" + "".join(f"{key} = {_one_line(value)}\n" for key, value in options.items())
        for name, options in _sections(config).items()
    )
    draft = file.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(file)


def _one_line(value: Any) -> str:
    """As rclone reads a key, which has several."""
    return str(value).replace("\n", "\\n")


def _sections(config: Config) -> dict[str, dict[str, Any]]:
    """The place itself, the encryption over it, and MinIO as the source where it is known."""
    secrets = config.secrets.get("place", {})
    match config.place:
        case {"kind": "folder" | "volume"}:
            raw: dict[str, Any] = {"type": "alias", "remote": "/place"}
        case {"kind": "s3", **s3}:
            options = {"type": "s3", "provider": "Other", "endpoint": s3["endpoint"], "region": s3["region"], **secrets}
            return _with_crypt(config, {"s3": options, "raw": {"type": "alias", "remote": f"s3:{s3['path']}"}})
        case {"kind": "sftp", **sftp}:
            options = {"type": "sftp", "shell_type": "none", "md5sum_command": "none", "sha1sum_command": "none"}
            options |= {name: sftp[name] for name in ("host", "user", "port", "known_hosts_file")} | secrets
            return _with_crypt(config, {"sftp": options, "raw": {"type": "alias", "remote": f"sftp:{sftp['path']}"}})
        case other:
            raise ValueError(f"unknown kind of place: {other['kind']}")
    return _with_crypt(config, {"raw": raw})


def _with_crypt(config: Config, sections: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    obscured = subprocess.run(
        ["rclone", "obscure", "-"], input=config.key.encode(), capture_output=True, check=True
    ).stdout.decode()
    crypt = {
        "type": "crypt",
        "remote": "raw:",
        "password": obscured.strip(),
        "filename_encoding": "base64",  # names of up to 175 bytes fit a file system's 255
    }
    source = config.settings.get("s3")
    minio = {}
    if source:
        minio["minio"] = {
            "type": "s3",
            "provider": "Minio",
            "endpoint": source["endpoint"],
            "region": source["region"],
            "access_key_id": config.secrets["s3_access_key"],
            "secret_access_key": config.secrets["s3_secret_key"],
            "no_check_bucket": "true",
        }
    return {**sections, "place": crypt, **minio}
