"""Whether containers come from a registry's images or from ones built here."""

import json
import os
from pathlib import Path

from launcher.console import Failure, step
from launcher.paths import Paths
from launcher.processes import answer, run_logged

VARIABLE = "MLFLOW_PLATFORM_IMAGES"
_MODES = ("registry", "local")
_PROBE = "docker.io/library/debian:trixie-slim"  # what MLflow's image is built on in registry mode
_PROBE_TIMEOUT = 5.0


def mode(paths: Paths, stack: str) -> tuple[str, str]:
    """The mode and the reason; a stack keeps its first one, because changing it replaces every container."""
    if asked := os.environ.get(VARIABLE):
        if asked not in _MODES:
            raise Failure(f"{VARIABLE}={asked} is not one of {', '.join(_MODES)}.")
        return asked, f"{VARIABLE} is set"
    if (kept := _memory(paths, stack)).exists():
        return kept.read_text(), f"as before; {VARIABLE} changes it"
    if answer(["docker", "manifest", "inspect", _PROBE], timeout=_PROBE_TIMEOUT) is not None:
        return "registry", f"the registry has {_PROBE}"
    return "local", f"no registry answers for {_PROBE}"


def ensure(paths: Paths, stack: str, name: str) -> str:
    """One image of the program's list, pulled or built as Pulumi would; what Docker knows it by.

    For what has to run before there is a stack, or beside one.
    """
    chosen, _ = mode(paths, stack)
    asked = f"import json; from components.images import recipe; print(json.dumps(recipe({name!r}, {chosen!r})))"
    recipe = json.loads(answer([paths.python, "-c", asked], cwd=paths.root) or "{}")
    if not recipe:
        raise Failure("The program's own Python does not read components/images.py; ./platform preview says why.")
    log = paths.logs / f"image-{name}.log"
    if pulled := recipe.get("pulled"):
        if answer(["docker", "image", "inspect", pulled]) is None:
            with step(f"image {pulled}"):
                run_logged(f"docker pull {pulled}", ["docker", "pull", pulled], log)
        return pulled
    arguments = [f"--build-arg={key}={value}" for key, value in recipe["arguments"].items()]
    command = ["docker", "build", "--tag", recipe["tag"], *arguments, recipe["context"]]
    with step(f"image {recipe['tag']}"):
        run_logged(f"docker build {recipe['tag']}", command, log, cwd=paths.root)
    return recipe["tag"]


def remember(paths: Paths, stack: str, chosen: str) -> None:
    paths.own.mkdir(exist_ok=True)
    _memory(paths, stack).write_text(chosen)


def forget(paths: Paths, stack: str) -> None:
    _memory(paths, stack).unlink(missing_ok=True)


def _memory(paths: Paths, stack: str) -> Path:
    return paths.own / f"images-{stack}"
