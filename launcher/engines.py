"""Which Pulumi runs the program, the official one or the one built here, and the environment that it needs."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from launcher.console import Failure, say
from launcher.paths import Paths
from launcher.processes import answer

CHOICES = ("auto", "official", "offline")
_PLUGIN_INSTALL_TIMEOUT = 60.0


@dataclass(frozen=True)
class Plugin:
    """A provider plugin that an installed SDK asks for."""

    name: str
    version: str


def plugins(site_packages: Path) -> list[Plugin]:
    """What the SDKs in the .venv name in their pulumi-plugin.json, which is where the language host looks too."""
    manifests = (json.loads(file.read_text()) for file in sorted(site_packages.glob("pulumi_*/pulumi-plugin.json")))
    return [Plugin(found["name"], found["version"]) for found in manifests if found["resource"]]


def choose(wanted: str, paths: Paths) -> tuple[str, str]:
    """`official` or `offline`, and the reason in words."""
    if wanted == "offline":
        return "offline", "as asked"
    missing = _what_official_lacks(paths)
    if not missing:
        return "official", "pulumi and its plugins are installed"
    if wanted == "official":
        raise Failure(f"--engine official is not possible: {missing}.")
    return "offline", missing


def _what_official_lacks(paths: Paths) -> str | None:
    cli = official_cli(paths)
    if not cli:
        return "no pulumi CLI on PATH"
    listed = json.loads(answer([cli, "plugin", "ls", "--json"]) or "[]")
    installed = {Plugin(plugin["name"], plugin.get("version", "")) for plugin in listed}
    for plugin in plugins(paths.site_packages):
        if plugin in installed:
            continue
        say(f"   pulumi plugin install {plugin.name} {plugin.version} ...")
        command = [cli, "plugin", "install", "resource", plugin.name, f"v{plugin.version}"]
        if answer(command, timeout=_PLUGIN_INSTALL_TIMEOUT) is None:
            return f"the plugin {plugin.name} {plugin.version} can not be downloaded"
    return None


def official_cli(paths: Paths) -> str | None:
    """The user's own pulumi; one that an activated `./platform env` put on PATH is not that."""
    elsewhere = [folder for folder in _path() if not Path(folder).is_relative_to(paths.cache)]
    return shutil.which("pulumi", path=os.pathsep.join(elsewhere))


def environment(paths: Paths, engine: str, toolchain: Path | None) -> dict[str, str]:
    """What the engine needs beyond the user's own environment."""
    ours = [paths.venv / "bin"]
    variables = {
        "VIRTUAL_ENV": str(paths.venv),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",  # so that the stack's file needs no salt
        **dict(_backend(paths)),
    }
    if engine == "offline" and toolchain:
        home = paths.own / "pulumi-home"
        _install_stand_ins(paths, home)
        variables["PULUMI_HOME"] = str(home)
        ours.append(toolchain)
    rest = [folder for folder in _path() if Path(folder) not in ours]
    return {**variables, "PATH": os.pathsep.join([*map(str, ours), *rest])}


def _path() -> list[str]:
    return os.environ.get("PATH", os.defpath).split(os.pathsep)


def _backend(paths: Paths) -> Iterator[tuple[str, str]]:
    """A state and a passphrase of this checkout's own, where the user has not set others."""
    if not os.environ.get("PULUMI_BACKEND_URL"):
        state = paths.own / "state"
        state.mkdir(parents=True, exist_ok=True)
        yield "PULUMI_BACKEND_URL", f"file://{state}"
    if not (os.environ.get("PULUMI_CONFIG_PASSPHRASE") or os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")):
        yield "PULUMI_CONFIG_PASSPHRASE_FILE", str(_passphrase(paths.own / "passphrase"))


def _passphrase(file: Path) -> Path:
    """A random one at first; only its owner may read it."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file
    with os.fdopen(descriptor, "w") as output:
        output.write(os.urandom(32).hex())
    return file


def _install_stand_ins(paths: Paths, home: Path) -> None:
    """For each plugin a program where the engine looks for it, which runs the stand-in from this checkout."""
    for plugin in plugins(paths.site_packages):
        script = home / "plugins" / f"resource-{plugin.name}-v{plugin.version}" / f"pulumi-resource-{plugin.name}"
        root, python = shlex.quote(str(paths.root)), shlex.quote(str(paths.python))
        text = f'#!/bin/sh\nPYTHONPATH={root} exec {python} -m offline.providers.{plugin.name} "$@"\n'
        if not script.exists() or script.read_text() != text:
            script.parent.mkdir(parents=True, exist_ok=True)
            fresh = script.with_suffix(".new")
            fresh.write_text(text)
            fresh.chmod(0o755)
            fresh.rename(script)
