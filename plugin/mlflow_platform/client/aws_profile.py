"""A profile in AWS's config file, by which every S3 tool that knows `credential_process` acts as the user."""

import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.configloader import load_config, raw_config_parse
from botocore.exceptions import ConfigNotFound, ConfigParseError

from mlflow_platform.client import certificates, system
from mlflow_platform.client.discovery import Platform
from mlflow_platform.client.errors import ClientError

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SECTION = re.compile(r"\s*\[\s*(.*?)\s*\]")
_COMMENT = "# written by `mlflow-platform login --aws-profile`"


def check_name(name: str) -> None:
    """Raises ClientError unless a profile of that name can be written: it is new, or was written here before."""
    if not _NAME.fullmatch(name) or name == "default":
        raise ClientError(
            f"{name!r} cannot be the profile: letters, digits, dot, dash and underscore, and not default."
        )
    if name in _read(raw_config_parse, _file("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        raise ClientError(f"{name} has keys in AWS's credentials file, which come first; take another name.")
    config = _file("AWS_CONFIG_FILE", "config")
    lines = _lines(config)
    written_here = _COMMENT in lines[_extent(lines, _section(name))]
    if (found := _profiles(config).get(name)) is not None and not (written_here and _is_ours(found)):
        raise ClientError(f"There is a profile {name} already, which is not the platform's; take another name.")


def write(name: str, platform: Platform, program: str) -> Path:
    """Adds the profile, or replaces what was written of it before; the rest of the file stays as it is."""
    check_name(name)
    command = system.here.joined([program, "credentials", "--tracking-uri", platform.tracking_uri])
    profile: dict[str, Any] = {
        "credential_process": command,
        "endpoint_url": platform.s3_endpoint,
        "region": platform.s3_region,
        # Else aws and boto3 sign links the older way, which MinIO does not take with credentials that end.
        "s3": {"signature_version": "s3v4"},
    }
    if authority := certificates.kept(platform.tracking_uri):
        profile["ca_bundle"] = authority
    section = [f"[{_section(name)}]", _COMMENT, *(line for key in profile for line in _setting(key, profile[key]))]
    path = Path(os.path.realpath(_file("AWS_CONFIG_FILE", "config")))  # a link stays a link
    before = _config(path)
    expected = {**before, "profiles": {**before.get("profiles", {}), name: profile}}
    with _replacement(path, _with_section(_lines(path), _section(name), section)) as unfinished:
        if _config(unfinished) != expected:
            lines = "\n".join(section)
            raise ClientError(f"{path} has lines that writing would change; add these to it yourself:\n{lines}")
    return path


def _setting(key: str, value: str | dict[str, str]) -> list[str]:
    if isinstance(value, str):
        return [f"{key} = {value}"]
    return [f"{key} =", *(f"    {name} = {setting}" for name, setting in value.items())]


def find(tracking_uri: str) -> str | None:
    """The name of a profile that was written for this server."""
    for name, settings in _profiles(_file("AWS_CONFIG_FILE", "config")).items():
        if _is_ours(settings) and system.here.split(settings["credential_process"])[-1] == tracking_uri:
            return name
    return None


def _section(name: str) -> str:
    return f"profile {name}"


def _file(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / ".aws" / name).expanduser()


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise ClientError(f"{path} cannot be read, so no profile is written to it.") from None
    return text.removesuffix("\n").split("\n") if text else []


def _profiles(path: Path) -> dict[str, Any]:
    return _config(path).get("profiles", {})


def _config(path: Path) -> dict[str, Any]:
    return {kind: found for kind, found in _read(load_config, path).items() if found}


def _read(parse: Callable[[str], dict[str, Any]], path: Path) -> dict[str, Any]:
    """What AWS's own library reads in the file: its names have quotes and spaces, its values lines of their own."""
    try:
        return parse(os.fspath(path))
    except ConfigNotFound:
        return {}
    except (ConfigParseError, OSError, ValueError):
        raise ClientError(
            f"{path} is not a file that AWS's tools could read, so no profile is written to it."
        ) from None


def _is_ours(settings: Any) -> bool:
    try:
        command = system.here.split(settings["credential_process"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return len(command) == 4 and command[1:3] == ["credentials", "--tracking-uri"]


def _with_section(lines: list[str], name: str, section: list[str]) -> list[str]:
    """The lines with this section in its own place, or at the end."""
    place = _extent(lines, name)
    apart = [""] if place.start == len(lines) and lines and lines[-1].strip() else []
    return [*lines[: place.start], *apart, *section, *lines[place.stop :]]


def _extent(lines: list[str], name: str) -> slice:
    """Where the section's own lines are, without the comments above the next one; at the end where there is none."""
    start = next((n for n, line in enumerate(lines) if (m := _SECTION.match(line)) and m[1] == name), None)
    if start is None:
        return slice(len(lines), len(lines))
    end = next((n for n in range(start + 1, len(lines)) if _SECTION.match(lines[n])), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith(("#", ";"))):
        end -= 1
    return slice(start, end)


@contextmanager
def _replacement(path: Path, lines: list[str]) -> Iterator[Path]:
    """The new file beside the old one, which it replaces as a whole when the block ends well."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    unfinished = Path(name)
    try:
        with open(descriptor, "w", newline="") as file:  # noqa: PTH123
            file.write("\n".join(lines) + "\n")
        yield unfinished
        unfinished.chmod(mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
