"""Installs Debian packages, where that is allowed and possible; else says what to install."""

import os
import platform
import shutil
import threading
from pathlib import Path

from launcher.console import Failure, step
from launcher.paths import Paths
from launcher.processes import answer, run_logged

_one_at_a_time = threading.Lock()  # apt has a lock of its own, but refuses instead of waiting


def install(paths: Paths, packages: list[str], *, why: str, allowed: bool) -> None:
    """Installs packages with apt-get; every obstacle is an error that names them."""
    wanted = " ".join(packages)
    remedy = f"install it first: apt-get install {wanted}"
    if not allowed:
        raise Failure(f"{why}, and --no-install forbids installing; {remedy}")
    if not shutil.which("apt-get"):
        raise Failure(f"{why}, and this is no Debian that could install it; install the equivalent of: {wanted}")
    if os.geteuid() != 0:
        raise Failure(f"{why}, and only root may install; {remedy} (or run ./platform as root)")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _one_at_a_time, step(f"apt-get install {wanted}"):
        run_logged("apt-get update", ["apt-get", "update"], paths.logs / "apt-update.log", env=quiet)
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        run_logged(f"apt-get install {wanted}", command, paths.logs / "apt-install.log", env=quiet)


def mirrors() -> tuple[str, str | None]:
    """Where this machine has Debian's archive from, and its security updates if it has any."""
    listed = answer(["apt-get", "indextargets", "--format", "$(RELEASE) $(COMPONENT) $(SITE)", "Created-By: Packages"])
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    sites: dict[str, str] = {}
    for line in (listed or "").splitlines():
        name, component, site = line.split(maxsplit=2)
        if component == "main":
            sites.setdefault(name, site)
    if release not in sites:
        raise Failure("apt knows no Debian archive to make the base image from; add one to /etc/apt/sources.list.d")
    return sites[release], sites.get(f"{release}-security")


def exists(package: str) -> bool:
    """Whether apt knows a package of this name."""
    return bool(answer(["apt-cache", "show", "--no-all-versions", package]))


def has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()
