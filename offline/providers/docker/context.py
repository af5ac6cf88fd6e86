# ruff: noqa: PTH114, PTH115, PTH118, PTH123 (paths are text here: they are hashed as they are written)
"""A build context: which files are in it, their digest and their archive.

Digest and ignore rules agree with pulumi-docker 5.2.0, so that an image built here is unchanged for the official
plugin: its provider/provider.go (hashContext, getIgnorePatterns) over moby/patternmatcher and tonistiigi/fsutil.
"""

import hashlib
import io
import os
import re
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ..base import CheckError

_HASHED_DOCKERFILE = "Dockerfile"  # the digest holds the Dockerfile under this name whatever it is called


def digest(context: str, dockerfile: str) -> str:
    """The contextDigest of a build: names, modes and contents of all files that are not ignored."""
    total = hashlib.sha256()
    _add(total, dockerfile, _HASHED_DOCKERFILE, stat.S_IFREG)
    for name in _files(context, _ignore_patterns(context, dockerfile)):
        path = os.path.join(context, name)
        _add(total, path, name, os.lstat(path).st_mode)
    return total.hexdigest()


def archive(context: str, dockerfile: str) -> tuple[io.BytesIO, str]:
    """The context as the daemon wants it (owned by root), and the Dockerfile's name in it."""
    inside = dockerfile_in_context(context, dockerfile)
    patterns = [*_ignore_patterns(context, dockerfile), "!.dockerignore", f"!{inside}"]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in _files(context, patterns, directories=True):
            tar.add(os.path.join(context, name), name, recursive=False, filter=_owned_by_root)
        if inside.startswith("../"):
            inside = f".dockerfile.{hashlib.sha256(inside.encode()).hexdigest()[:20]}"
            tar.add(dockerfile, inside, filter=_owned_by_root)
    buffer.seek(0)
    return buffer, inside


def dockerfile_in_context(context: str, dockerfile: str) -> str:
    """The Dockerfile's path from the context, starting with ../ where it is outside."""
    return os.path.relpath(os.path.realpath(dockerfile), os.path.realpath(context))


def require(context: str, dockerfile: str) -> None:
    """Refuses a context or Dockerfile that is not there."""
    if not Path(context).is_dir():
        raise CheckError(
            "build.context", f"there is no directory {context!r}; 'build.context' is relative to Pulumi.yaml"
        )
    if not Path(dockerfile).is_file():
        nearby = Path(context, dockerfile)
        hint = f"; did you mean {str(nearby)!r}?" if nearby.is_file() else ""
        raise CheckError("build.dockerfile", f"there is no Dockerfile {dockerfile!r}{hint}")


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def _add(total: "hashlib._Hash", path: str, name: str, mode: int) -> None:
    content = hashlib.sha256()
    if stat.S_ISLNK(mode):
        content.update(_resolved(path).encode())
    elif stat.S_ISREG(mode):
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                content.update(chunk)
    total.update(os.path.normpath(name).encode() + _go_mode(mode).encode() + content.digest() + b"\0")


def _go_mode(mode: int) -> str:
    """A file mode as Go's io/fs prints it: letters in the order of its constants, then the permissions."""
    kind = stat.S_IFMT(mode)
    letters = (
        ("L", kind == stat.S_IFLNK),
        ("D", kind in (stat.S_IFBLK, stat.S_IFCHR)),
        ("p", kind == stat.S_IFIFO),
        ("S", kind == stat.S_IFSOCK),
        ("u", mode & stat.S_ISUID),
        ("g", mode & stat.S_ISGID),
        ("c", kind == stat.S_IFCHR),
        ("t", mode & stat.S_ISVTX),
    )
    return ("".join(letter for letter, holds in letters if holds) or "-") + stat.filemode(mode & 0o777)[1:]


def _resolved(path: str) -> str:
    """The path without links, relative where the given one is (Go's filepath.EvalSymlinks)."""
    pending = path.split("/")
    done = "/" if path.startswith("/") else ""
    while pending:
        part = pending.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            done = os.path.normpath(os.path.join(done, ".."))
            continue
        here = os.path.join(done, part)
        if not os.path.islink(here):
            done = here
            continue
        target = os.readlink(here)
        pending = target.split("/") + pending
        if target.startswith("/"):
            done = "/"
    return os.path.normpath(done or ".")


def _files(context: str, patterns: list[str], *, directories: bool = False) -> Iterator[str]:
    """Paths in the context that no pattern excludes, each directory's entries in the order of their names."""
    rules = [(not pattern.startswith("!"), _compiled(pattern.removeprefix("!"))) for pattern in patterns]
    may_readmit = any(not excludes for excludes, _ in rules)

    def walk(directory: str, inherited: list[bool]) -> Iterator[str]:
        with os.scandir(os.path.join(context, directory)) as entries:
            found = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        for entry in found:
            name = os.path.join(directory, entry.name)
            matches = [above or bool(rule.match(name)) for above, (_, rule) in zip(inherited, rules, strict=True)]
            verdicts = [excludes for matched, (excludes, _) in zip(matches, rules, strict=True) if matched]
            excluded = bool(verdicts and verdicts[-1])
            is_directory = entry.is_dir(follow_symlinks=False)
            if not excluded and (directories or not is_directory):
                yield name
            if is_directory and (not excluded or may_readmit):
                yield from walk(name, matches)

    return walk("", [False] * len(rules))


def _ignore_patterns(context: str, dockerfile: str) -> list[str]:
    """The patterns of `<Dockerfile>.dockerignore`, else of the context's `.dockerignore`."""
    for candidate in (Path(f"{dockerfile}.dockerignore"), Path(context, ".dockerignore")):
        if candidate.is_file():
            lines = candidate.read_text(encoding="utf-8-sig").splitlines()
            return [pattern for line in lines if not line.startswith("#") and (pattern := _cleaned(line.strip()))]
    return []


def _cleaned(line: str) -> str:
    if not line:
        return ""
    readmits, path = line.startswith("!"), line.removeprefix("!").strip()
    if path:
        path = os.path.normpath(path).lstrip("/") or "/"
    return f"!{path}" if readmits else path


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression: * and ? stay within a name, ** does not."""
    result, rest = "", str(PurePosixPath(pattern))
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            result += "(.*/)?" if rest else ".*"
        elif rest[0] == "*":
            result, rest = result + "[^/]*", rest[1:]
        elif rest[0] == "?":
            result, rest = result + "[^/]", rest[1:]
        elif rest[0] == "\\" and len(rest) > 1:
            result, rest = result + re.escape(rest[1]), rest[2:]
        elif rest[0] == "[" and "]" in rest:
            end = rest.index("]") + 1
            result, rest = result + rest[:end], rest[end:]
        else:
            result, rest = result + re.escape(rest[0]), rest[1:]
    return re.compile(f"{result}\\Z", re.DOTALL)
