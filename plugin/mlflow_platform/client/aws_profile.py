"""A profile in AWS's config file, by which every S3 tool that knows `credential_process` acts as the user."""

import configparser
import os
import re
import shlex
import stat
import tempfile
from pathlib import Path

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
    if name in _sections(_file("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        raise ClientError(f"{name} has keys in AWS's credentials file, which come first; take another name.")
    if (found := _sections(_file("AWS_CONFIG_FILE", "config")).get(_section(name))) and not _is_ours(found):
        raise ClientError(f"There is a profile {name} already, which is not the platform's; take another name.")


def write(name: str, platform: Platform, program: str) -> Path:
    """Adds the profile, or replaces what was written of it before; the rest of the file stays as it is."""
    check_name(name)
    command = shlex.join([program, "credentials", "--tracking-uri", platform.tracking_uri])
    section = [
        f"[{_section(name)}]",
        _COMMENT,
        f"credential_process = {command}",
        f"endpoint_url = {platform.s3_endpoint}",
        f"region = {platform.s3_region}",
    ]
    path = Path(os.path.realpath(_file("AWS_CONFIG_FILE", "config")))  # a link stays a link
    _replace(path, _with_section(_lines(path), _section(name), section))
    return path


def find(tracking_uri: str) -> str | None:
    """The name of a profile that was written for this server."""
    for section, settings in _sections(_file("AWS_CONFIG_FILE", "config")).items():
        if _is_ours(settings) and shlex.split(settings["credential_process"])[-1] == tracking_uri:
            return section.removeprefix("profile ")
    return None


def _section(name: str) -> str:
    return f"profile {name}"


def _file(variable: str, name: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / ".aws" / name).expanduser()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError):
        raise ClientError(f"{path} cannot be read, so no profile is written to it.") from None


def _sections(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string("\n".join(_lines(path)))
    except configparser.Error:
        raise ClientError(
            f"{path} is not a file that AWS's tools could read, so no profile is written to it."
        ) from None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _is_ours(settings: dict[str, str]) -> bool:
    try:
        command = shlex.split(settings.get("credential_process", ""))
    except ValueError:
        return False
    return len(command) == 4 and command[1:3] == ["credentials", "--tracking-uri"]


def _with_section(lines: list[str], name: str, section: list[str]) -> list[str]:
    """The lines with this section in its own place, or at the end; the next one's comments stay above that."""
    start = next((n for n, line in enumerate(lines) if (m := _SECTION.match(line)) and m[1] == name), None)
    if start is None:
        return [*lines, *([""] if lines and lines[-1].strip() else []), *section]
    end = next((n for n in range(start + 1, len(lines)) if _SECTION.match(lines[n])), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith(("#", ";"))):
        end -= 1
    return [*lines[:start], *section, *lines[end:]]


def _replace(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    descriptor, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    unfinished = Path(name)
    try:
        with open(descriptor, "w") as file:  # noqa: PTH123
            file.write("\n".join(lines) + "\n")
        unfinished.chmod(mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
