"""The place that backups go to, encrypted on the way: every access to it is an rclone command.

Names and contents are encrypted with the one key (rclone's crypt: XSalsa20 and Poly1305 per 64 KiB, so that a flipped
bit is an error and never other data). Nothing at the place, and no command line, has a secret in it.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_backup import remotes
from platform_backup.config import RUN, Config

_MARK = "place.json"
_CHUNK = 1 << 20
_GENTLY = [
    "--retries=2",
    "--low-level-retries=3",
    "--contimeout=10s",
    "--timeout=60s",
    "--buffer-size=4M",
    "--transfers=4",
]
_NOTHING = "there is nothing of that name"
_CAUSES = {
    "no space left on device": "it is full",
    "disk quota exceeded": "it is full",
    "file too big for remaining disk space": "it is full",
    "read-only file system": "it is read-only",
    "permission denied": "it may not be written or read",
    "AccessDenied": "its credentials do not allow that",
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "it refuses the secret key",
    "knownhosts: key": "its host key is none of those that are believed (name each that ssh-keyscan shows)",
    "unable to authenticate": "it does not accept the SSH key (the output backup_public_key is what it has to know)",
    "connection refused": "nothing answers there",
    "no such host": "its name is not known",
    "i/o timeout": "it does not answer",
    "bad password": "what is there is damaged, or was made with another key",
    "unexpected EOF": "what is there is damaged",
    "directory not found": _NOTHING,
    "object not found": _NOTHING,
}


class PlaceError(Exception):
    """The place cannot be used as asked; the message is one sentence that says why."""


class TooLong(PlaceError):
    """Some names are longer than the place takes; everything else was done."""

    def __init__(self, place: str, names: Sequence[str]):
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        super().__init__(f"{place}: a folder's or file's name has over 175 bytes: {names[0]}{more}")
        self.names = set(names)


class NothingThere(PlaceError):
    """What was asked for is not at the place."""


@dataclass(frozen=True)
class Stored:
    """A file at the place; `path` below what was listed, `size` in bytes as it is when decrypted."""

    path: str
    size: int


class Place:
    """Paths are relative to the place. Every method raises PlaceError."""

    def __init__(self, config: Config, run: Path = RUN):
        run.mkdir(parents=True, exist_ok=True)
        self.name = str(config.place["name"])
        self._of_s3 = config.place["kind"] == "s3"
        self._config = run / "rclone.conf"
        if known_hosts := config.place.get("known_hosts"):  # of a restore, which has no uploaded file
            Path(config.place["known_hosts_file"]).write_text(known_hosts)
        remotes.write(config, self._config)

    def open(self, about: Mapping[str, Any], *, known: bool) -> None:
        """Makes sure that the key fits; leaves its mark, with `about` in it, at a place where nothing is yet.

        Where this was done before, nothing being there is no reason to begin, but a disk that is not mounted.
        """
        if self.fits():
            if (other := self.mark()["stack"]) != about["stack"]:  # restored from here, with the same key
                raise PlaceError(f"{self.name} holds the backups of stack {other}; name another place")
            return
        if self.rclone("lsf", "raw:", "--max-depth=1").strip():
            raise PlaceError(f"{self.name} holds something that was not made with this key; name another place")
        if known:
            raise PlaceError(
                f"{self.name} is empty, and had this stack's backups: is it mounted? To begin anew, name a folder in it"
            )
        self.write(_MARK, json.dumps(about).encode())

    def fits(self) -> bool:
        """Whether a backup is there that the key opens."""
        try:
            return _MARK in self.rclone("lsf", "place:", "--max-depth=1", "--files-only").splitlines()
        except NothingThere:
            raise PlaceError(f"{self.name}: {'the bucket' if self._of_s3 else 'the folder'} is not there") from None

    def mark(self) -> dict[str, Any]:
        """What was said when the place was begun."""
        return json.loads(self.read(_MARK))

    def read(self, path: str) -> bytes:
        return b"".join(self.stream_out(path))

    def write(self, path: str, content: bytes) -> None:
        """All at once: whoever reads meanwhile finds what was there before, or this."""
        self._run(["rcat", f"place:{path}.new"], stdin=content)
        self.rclone("moveto", f"place:{path}.new", f"place:{path}")

    def write_new(self, path: str, content: bytes) -> None:
        """In one step, for a name that is new and a reader who knows what is whole."""
        self._run(["rcat", f"place:{path}"], stdin=content)

    def stream_in(self, path: str, chunks: Iterable[bytes]) -> None:
        """Like `write`, for what does not fit in memory. An error of the source leaves nothing behind under `path`."""
        sending = subprocess.Popen(
            self._command(["rcat", f"place:{path}.new"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environment,
        )
        assert sending.stdin and sending.stderr
        try:
            with suppress(BrokenPipeError):  # the reason is what rclone says
                for chunk in chunks:
                    sending.stdin.write(chunk)
                sending.stdin.close()
        except BaseException:
            sending.kill()
            raise
        said = sending.stderr.read()
        if sending.wait():
            raise self._error(said.decode(errors="replace"))
        self.rclone("moveto", f"place:{path}.new", f"place:{path}")

    def stream_out(self, path: str) -> Iterator[bytes]:
        with subprocess.Popen(
            self._command(["cat", f"place:{path}"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
        ) as fetching:
            assert fetching.stdout and fetching.stderr
            while chunk := fetching.stdout.read(_CHUNK):
                yield chunk
            said = fetching.stderr.read()
        if fetching.returncode:
            raise PlaceError(f"{self.name}: {path}: {_reason(said.decode(errors='replace'))}")

    def files(self, path: str) -> list[Stored]:
        """All below a folder; none where there is no such folder."""
        try:
            listed = self.rclone("lsjson", "-R", "--files-only", "--no-modtime", "--no-mimetype", f"place:{path}")
        except NothingThere:
            return []
        return [Stored(entry["Path"], entry["Size"]) for entry in json.loads(listed)]

    def copy(self, source: str, target: str, *options: str, paths: Iterable[str] | None = None) -> None:
        """Between rclone's remotes and local folders; `paths` below the source, where not all of it."""
        self._transfer("copy", source, target, options, paths)

    def sync(self, source: str, target: str, *options: str) -> None:
        self._transfer("sync", source, target, options, None)

    def move(self, source: str, target: str, *options: str, paths: Iterable[str] | None = None) -> None:
        self._transfer("move", source, target, options, paths)

    def delete(self, path: str, paths: Iterable[str]) -> None:
        if listed := list(paths):
            self._run(["delete", f"place:{path}", "--files-from-raw=-"], stdin="\n".join(listed).encode())

    def purge(self, path: str) -> None:
        self.rclone("purge", f"place:{path}")

    def rclone(self, *arguments: str) -> str:
        return self._run(arguments).stdout.decode()

    def _transfer(
        self, verb: str, source: str, target: str, options: Sequence[str], paths: Iterable[str] | None
    ) -> None:
        if paths is None:
            self._run([verb, source, target, *options])
            return
        listed: list[str] = []
        for path in paths:
            if "\n" not in path:
                listed.append(path)
                continue
            with suppress(NothingThere):  # no list could hold it; of a list, too, what is gone again is left out
                self._run([f"{verb}to", f"{source}/{path}", f"{target}/{path}", *options])
        if listed:
            options = [*options, "--files-from-raw=-", "--no-traverse"]
            self._run([verb, source, target, *options], stdin="\n".join(listed).encode())

    def _run(self, arguments: Sequence[str], stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
        finished = subprocess.run(
            self._command(arguments), input=stdin or b"", capture_output=True, env=self._environment, check=False
        )
        if finished.returncode:
            said = finished.stderr.decode(errors="replace")
            raise TooLong(self.name, names) if (names := _too_long(said)) else self._error(said)
        return finished

    def _error(self, said: str) -> PlaceError:
        reason = _reason(said)
        return (NothingThere if reason == _NOTHING else PlaceError)(f"{self.name}: {reason}")

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["rclone", f"--config={self._config}", *_GENTLY, *arguments]

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self._config.parent)}


def _too_long(said: str) -> list[str]:
    """The names for which alone a transfer failed; none where anything else did."""
    failed = dict(re.findall(r"ERROR : (.+): Failed to copy: (.*)", said))
    too_long = [name for name, why in failed.items() if re.search("file name too long|KeyTooLong", why)]
    return sorted(too_long) if len(too_long) == len(failed) else []


def _reason(said: str) -> str:
    """The known cause, else rclone's last words without its time stamp."""
    for words, sentence in _CAUSES.items():
        if words.lower() in said.lower():
            return sentence
    lines = [line for line in said.splitlines() if line.strip()]
    said_last = re.sub(r"^[\d/]+ [\d:]+ ", "", lines[-1]) if lines else "rclone ended without a word"
    return said_last.split(" : ", 1)[-1].strip()
