"""Reads a stack's configuration into the tree, and says what is wrong with it. Nothing else reads configuration."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pulumi
from pydantic import ValidationError

from components.settings.accounts import Passwords, Smtp
from components.settings.backup import S3, Backup, HostFolder, Keep, Nowhere, OwnVolume, Sftp
from components.settings.directory import Attributes, Directory
from components.settings.lifetimes import Lifetimes
from components.settings.ports import Ports
from components.settings.providers import Entra, Google, Keycloak, OpenIdConnect
from components.settings.retention import Retention
from components.settings.sites import Domains
from components.settings.teams import BucketAccess, ServiceClient, Team
from components.settings.tls import Acme, Files, NoTls, Proxy, SelfSigned
from components.settings.tree import Settings, Storage, Tracking
from components.settings.values import Strict

_IMAGES_VARIABLE = "MLFLOW_PLATFORM_IMAGES"


class SettingsError(pulumi.RunError):
    """The stack file says something that it may not; the message names the key, the value and what is allowed."""


def load() -> Settings:
    """The current stack's settings."""
    config = pulumi.runtime.config.CONFIG.get() or pulumi.runtime.config.get_config_env()
    encrypted = {key for key in config if pulumi.runtime.config.is_config_secret(key)}
    return parse(pulumi.get_project(), pulumi.get_stack(), config, os.environ, encrypted)


def parse(
    project: str,
    stack: str,
    config: Mapping[str, str],
    environment: Mapping[str, str],
    encrypted: Collection[str] = (),
) -> Settings:
    """Settings from a stack's flat configuration, in which a structured value is JSON."""
    if hidden := sorted(key for key in encrypted if key.startswith(f"{project}:")):
        raise _unusable(stack, [f"{key}: is encrypted, but no setting is a secret; write it plainly" for key in hidden])
    given = {
        key.removeprefix(f"{project}:"): _structured(value)
        for key, value in config.items()
        if key.startswith(f"{project}:")
    }
    defaults = {"prefix": f"mlflow-{stack}".lower(), "images": environment.get(_IMAGES_VARIABLE) or "registry"}
    origins = {"prefix": "made from the stack's name", "images": f"from the variable {_IMAGES_VARIABLE}"}
    try:
        return Settings.model_validate({**defaults, **given})
    except ValidationError as error:
        missing = {key: origin for key, origin in origins.items() if key not in given}
        raise _unusable(stack, _problems(project, error, missing)) from None


def _structured(value: str) -> Any:
    """Pulumi hands lists and mappings over as JSON, all else as text, from which pydantic reads what the field is."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def _unusable(stack: str, problems: Iterable[str]) -> SettingsError:
    title = f"The settings of stack {stack} (Pulumi.{stack}.yaml) are not usable:"
    return SettingsError("\n  ".join([title, *problems]))


def _problems(project: str, error: ValidationError, origins: Mapping[str, str]) -> list[str]:
    return [
        f"{_place(project, problem['loc'], origins)}: {_complaint(problem)}"
        for problem in error.errors()
        # Of a mapping the other branch of its union complains; that it is no name either is no help.
        if not (_is_name_branch(problem["loc"]) and isinstance(problem["input"], dict))
        and not (problem["type"] == "dict_type" and _is_level(problem["loc"]))
        # Of a list whose only item is refused, it is said that it has none, too.
        and not (problem["type"] == "too_short" and problem["input"])
    ]


def _is_name_branch(location: tuple[int | str, ...]) -> bool:
    return bool(location) and str(location[-1]).startswith("literal[")


def _is_level(location: tuple[int | str, ...]) -> bool:
    return location[:1] == ("teams",) and location[2:3] == ("mlflow",)


def _place(project: str, location: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    # A union's branch names are pydantic's, not the user's.
    branches = ("literal[", "BucketAccess", "dict[", "[key]")
    parts = [str(part) for part in _without_branch(location) if not str(part).startswith(branches)]
    path = ".".join(parts)
    origin = f" ({origins[path]})" if path in origins else ""
    return f"{project}:{path}{origin}" if parts else project


def _without_branch(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Without the mode or kind that pydantic puts after the key whose value is one of several mappings."""
    for key in (("tls",), ("backup", "to")):
        if location[: len(key)] == key:
            return (*key, *location[len(key) + 1 :])
    if location[:1] == ("identity_providers",):
        return (*location[:2], *location[3:])
    return location


def _complaint(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return f"unknown key; known here: {_keys(problem['loc'][:-1])}"
        case "missing":
            return "missing"
        case "value_error":
            return str(problem["ctx"]["error"])
        case "union_tag_invalid" | "union_tag_not_found":
            of_place = {"tls": ("mode", MODES), "identity_providers": ("kind", PROVIDERS)}
            what, names = of_place.get(problem["loc"][0], ("kind", KINDS))
            return f"needs a {what} ({', '.join(names)}), but it is {problem['input']!r}"
        case "model_type":
            return f"needs a mapping (of {_keys(problem['loc'])}), but it is {problem['input']!r}"
        case _:
            return f"{problem['msg']}, but it is {problem['input']!r}"


_NODES: dict[str, type[Strict]] = {
    "ports": Ports,
    "domains": Domains,
    "storage": Storage,
    "tracking": Tracking,
    "retention": Retention,
    "lifetimes": Lifetimes,
    "service_clients": ServiceClient,
    "backup": Backup,
    "directory": Directory,
    "passwords": Passwords,
    "smtp": Smtp,
}
MODES: dict[str, type[Strict]] = {
    "none": NoTls,
    "self_signed": SelfSigned,
    "files": Files,
    "acme": Acme,
    "proxy": Proxy,
}
KINDS: dict[str, type[Strict]] = {
    "none": Nowhere,
    "volume": OwnVolume,
    "folder": HostFolder,
    "s3": S3,
    "sftp": Sftp,
}


PROVIDERS: dict[str, type[Strict]] = {
    "oidc": OpenIdConnect,
    "keycloak": Keycloak,
    "entra": Entra,
    "google": Google,
}


def _keys(location: tuple[int | str, ...]) -> str:
    """What a mapping at this place may hold."""
    model: type[Strict] = Settings
    if location and location[0] == "teams":
        model = BucketAccess if "BucketAccess" in location else Team
    elif location and location[0] == "tls":
        model = MODES[str(location[1])]
    elif location[:2] == ("backup", "to"):
        model = KINDS[str(location[2])]
    elif location[:1] == ("identity_providers",):
        model = PROVIDERS[str(location[2])]
    elif location[:2] == ("directory", "attributes"):
        model = Attributes
    elif location[:2] == ("backup", "keep"):
        model = Keep
    elif location:
        model = _NODES[str(location[0])]
    return ", ".join(sorted(model.model_fields))
