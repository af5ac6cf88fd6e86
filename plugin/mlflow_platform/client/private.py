"""Files of the user's own, one of each kind per server: what others could have written is never trusted."""

import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_state_path

from mlflow_platform.client import system
from mlflow_platform.client.errors import ClientError


class PrivateFile:
    """One file of one tracking server; `what` it holds is what an error calls it."""

    def __init__(self, tracking_uri: str, ending: str, what: str, longest: int):
        """`longest` is in bytes."""
        name = re.sub(r"[^\w.-]", "_", urlsplit(tracking_uri).netloc, flags=re.ASCII)
        digest = hashlib.sha256(tracking_uri.encode()).hexdigest()[:16]
        self.path = folder() / f"{name}-{digest}.{ending}"
        self._what, self._longest = what, longest

    def read(self) -> bytes | None:
        """What is in it; None where there is none. Raises ClientError where it is not the user's alone."""
        if not self.exists():
            return None
        try:
            descriptor = system.here.opened(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.unusable(error.strerror or "it cannot be opened") from None
        try:
            self._check(os.fstat(descriptor), self.path, stat.S_ISREG)
            return os.read(descriptor, self._longest)
        finally:
            os.close(descriptor)

    def exists(self) -> bool:
        """Whether it is there; raises ClientError where its folder is not the user's alone."""
        try:
            self.path.lstat()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False  # a state directory that is not ours, as in a container, holds nothing of ours either
        self._check(self.path.parent.lstat(), self.path.parent, stat.S_ISDIR)
        return True

    @contextmanager
    def replacement(self, content: bytes) -> Iterator[Path]:
        """A new file beside it, for whoever likes it to `put` it here: a reader sees one or the other."""
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".new", dir=self.made_folder())  # 0600 from the start
        unfinished = Path(name)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            yield unfinished
        finally:
            unfinished.unlink(missing_ok=True)

    def put(self, new: Path) -> None:
        """Makes a replacement the file."""
        system.here.replace(new, self.path)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def made_folder(self) -> Path:
        parent = self.path.parent
        parent.parent.mkdir(parents=True, exist_ok=True)
        parent.mkdir(mode=0o700, exist_ok=True)
        self._check(parent.lstat(), parent, stat.S_ISDIR)
        return parent

    def unusable(self, reason: str) -> ClientError:
        return ClientError(f"The {self._what} in {self.path} is not used: {reason}; remove it and log in again.")

    def _check(self, found: os.stat_result, path: Path, kind: Callable[[int], bool]) -> None:
        if not kind(found.st_mode):
            raise self.unusable(f"{path} is a link, or no regular file or directory")
        if told := system.here.openness(path, found):
            raise self.unusable(f"{path} {told}")


def folder() -> Path:
    """Where they are."""
    return user_state_path("mlflow-platform", appauthor=False)
