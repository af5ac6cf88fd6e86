"""A folder of results that are slow to make: each is there whole, under a key of its inputs, or not at all."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from launcher.console import Failure

_UNFINISHED = ".unfinished-"


def key_of(*inputs: str | bytes) -> str:
    """A short name for a set of inputs; a change in any of them gives another."""
    digest = hashlib.sha256()
    for item in inputs:
        data = item.encode() if isinstance(item, str) else item
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


class Cache:
    """Entries of one kind, shared by all checkouts of the user; one process makes an entry, the others wait for it."""

    def __init__(self, folder: Path):
        self._folder = folder

    def entry(self, key: str, make: Callable[[Path], None]) -> Path:
        """The entry's folder, filled by `make` in a temporary place first when there is none yet."""
        entry = self._folder / key
        if entry.is_dir():
            return entry
        try:
            with self.locked():
                if not entry.is_dir():
                    self._make(entry, make)
        except OSError as error:
            raise Failure(f"Cannot write to the cache {self._folder}: {error.strerror or error}.") from error
        return entry

    def _make(self, entry: Path, make: Callable[[Path], None]) -> None:
        for abandoned in self._folder.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder))
        try:
            unfinished.chmod(0o755)
            make(unfinished)
            os.sync()
            unfinished.rename(entry)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone among all processes with this cache; the kernel frees the lock of a process that dies."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
