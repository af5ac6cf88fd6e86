"""What of a stack is on no volume: Pulumi's state with its secrets, the stack file and the files that it names.

A backup carries it as one archive. It is never on this machine's disk outside of `.platform/`, where the state is too.
"""

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher import stack_file
from launcher.console import Failure, say
from launcher.paths import Paths
from launcher.processes import answer
from launcher.stack import Stack
from launcher.state import State

_ABOUT, _STATE, _FILES = "about.json", "state.json", "files/"
_OWN_VOLUME = '{"kind": "volume"}'


@dataclass(frozen=True)
class Bundle:
    """`files` are by path from the checkout's root, with the stack file; `deployment` has its secrets readable."""

    stack: str
    commit: str
    deployment: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def state(self) -> State:
        return State(self.deployment)


def commit(paths: Paths) -> str:
    """Of this checkout."""
    return answer(["git", "-C", paths.root, "describe", "--always", "--dirty"]) or "unknown"


def of(paths: Paths, stack: Stack) -> Bundle:
    own = f"Pulumi.{stack.name}.yaml"
    names = [own, *(answer([paths.python, "-m", "launcher.named_files", own], cwd=paths.root) or "").split()]
    found = {name: (paths.root / name).read_bytes() for name in names if (paths.root / name).is_file()}
    found[own] = stack_file.without_salt(found[own].decode()).encode()
    return Bundle(stack.name, commit(paths), stack.state(secrets=True).deployment, found)


def packed(bundle: Bundle) -> bytes:
    """Reproducibly: the same stack is the same archive, which a backup keeps once."""
    about = {"stack": bundle.stack, "commit": bundle.commit}
    members = {_ABOUT: json.dumps(about).encode(), _STATE: json.dumps(bundle.deployment).encode()}
    members |= {f"{_FILES}{name}": content for name, content in sorted(bundle.files.items())}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(archive.getvalue(), mtime=0)


def unpacked(archive: bytes) -> Bundle:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        members = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
    files = {name.removeprefix(_FILES): content for name, content in members.items() if name.startswith(_FILES)}
    about = json.loads(members[_ABOUT])
    return Bundle(about["stack"], about["commit"], json.loads(members[_STATE]), files)


def same_place(paths: Paths, bundle: Bundle, stack: str) -> bool:
    """Whether this stack would send its backups to where the bundle's sends them, which no two may do."""

    def place(file: Path) -> str | None:
        return answer([paths.python, "-m", "launcher.named_place", str(file)], cwd=paths.root)

    with tempfile.TemporaryDirectory() as folder:
        theirs = Path(folder) / f"Pulumi.{bundle.stack}.yaml"
        theirs.write_bytes(bundle.files[theirs.name])
        found = place(theirs)
    return found == place(paths.root / f"Pulumi.{stack}.yaml") and found not in (None, "null", _OWN_VOLUME)


def put_files(paths: Paths, bundle: Bundle) -> None:
    """Writes those that are not there; what is there otherwise is the user's newer word and stays."""
    for name, content in bundle.files.items():
        target = (paths.root / name).resolve()
        if target.exists():
            if stack_file.without_salt(target.read_text(errors="replace")).encode() != content:
                say(f" ! {name} is another one than the backup's, and stays as it is")
            continue
        if not target.is_relative_to(paths.root) and not Path(name).is_absolute():
            raise Failure(f"The backup's stack file names {name}, which lies outside of this checkout: put it there.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_bytes(content)
        say(f" ✓ {name}, from the backup")
