"""The Debian base image, made here from packages because no image registry is needed for that."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from launcher import apt, certificates
from launcher.cache import Cache, key_of
from launcher.console import Failure, done, step
from launcher.paths import Paths
from launcher.processes import answer, run_logged

IMAGE = "mlflow-platform/base:trixie"
_SUITE = "trixie"
_LABEL = "mlflow-platform.base.key"
_DEBOOTSTRAP = ["debootstrap", "--variant=minbase", "--include=ca-certificates", _SUITE]


def ensure(paths: Paths, *, install: bool) -> None:
    """Makes sure that the image is there, made from this recipe and with the machine's own certificates."""
    authorities = certificates.added()
    archive, security = apt.mirrors()
    sources = _sources(archive, security)
    key = key_of(*_DEBOOTSTRAP, sources, *authorities)
    if _is_current(key):
        done(f"base image {IMAGE}")
        return
    cache = Cache(paths.cache / "base-image")
    entry = cache.entry(key, lambda folder: _make(paths, folder, archive, sources, authorities, install))
    with cache.locked():
        if not _is_current(key):
            _import(paths, entry / "root.tar.gz", key)


def _sources(archive: str, security: str | None) -> str:
    """As in Debian's own image; debootstrap alone would leave the updates out."""
    lines = [f"deb {archive} {_SUITE} main", f"deb {archive} {_SUITE}-updates main"]
    return "".join(f"{line}\n" for line in [*lines, *([f"deb {security} {_SUITE}-security main"] if security else [])])


def _is_current(key: str) -> bool:
    label = '{{index .Config.Labels "' + _LABEL + '"}}'
    return answer(["docker", "image", "inspect", "--format", label, IMAGE]) == key


def _make(paths: Paths, folder: Path, mirror: str, sources: str, authorities: list[str], install: bool) -> None:
    if os.geteuid() != 0:
        raise Failure("The base image is made with debootstrap, which only root may run: run ./platform as root.")
    if not shutil.which("debootstrap"):
        apt.install(paths, ["debootstrap"], why="debootstrap is not installed", allowed=install)
    # Not below /tmp, which may be mounted without devices or programs.
    root = Path(tempfile.mkdtemp(prefix="root-", dir=folder))
    root.chmod(0o755)  # it becomes the containers' /, which everybody must be able to enter
    try:
        with step(f"base image {IMAGE} by debootstrap"):
            _fill(paths, root, mirror, authorities)
            (root / "etc/apt/sources.list").write_text(sources)
            without = [f"--exclude=./{folder}/*" for folder in ("dev", "proc", "sys")]
            archive = ["tar", "--create", "--gzip", "--numeric-owner", *without, "--file", folder / "root.tar.gz"]
            run_logged("tar", [*archive, "--directory", root, "."], paths.logs / "base-tar.log")
    finally:
        _unmount_below(root)
        shutil.rmtree(root)


def _fill(paths: Paths, root: Path, mirror: str, authorities: list[str]) -> None:
    run_logged("debootstrap", [*_DEBOOTSTRAP, root, mirror], paths.logs / "debootstrap.log")
    for pem in authorities:
        (root / "usr/local/share/ca-certificates" / certificates.file_name(pem)).write_text(pem + "\n")
    run_logged("update-ca-certificates", ["chroot", root, "update-ca-certificates"], paths.logs / "base-ca.log")
    _empty(root, "tmp", "var/cache/apt/archives", "var/lib/apt/lists", "var/log")


def _unmount_below(root: Path) -> None:
    """A debootstrap that was stopped leaves the machine's /proc mounted; nothing may be deleted through it."""
    points = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((point for point in points if root in point.parents), reverse=True):
        subprocess.run(["umount", "--lazy", point], check=True)


def _empty(root: Path, *folders: str) -> None:
    for folder in folders:
        for item in (root / folder).iterdir():
            if item.is_dir() and not item.is_symlink():
                shutil.rmtree(item)
            else:
                item.unlink()


def _import(paths: Paths, archive: Path, key: str) -> None:
    command = ["docker", "import", "--change", f'LABEL {_LABEL}="{key}"', "--change", 'CMD ["bash"]', archive, IMAGE]
    with step(f"docker import {IMAGE}"):
        run_logged("docker import", command, paths.logs / "base-import.log")
