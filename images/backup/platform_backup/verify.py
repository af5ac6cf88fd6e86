"""Whether what is at the place would do: quickly by names and sizes, deeply by reading every byte."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from platform_backup import manifest as manifests
from platform_backup import retention
from platform_backup.database import SEGMENT, Base, position
from platform_backup.objects import BEFORE, NOW
from platform_backup.place import Place, PlaceError

_NAME = 24


def problems(place: Place, folder: str, tell: Callable[[str], None], *, deep: bool) -> Iterator[str]:
    """One sentence for each thing that is wrong; none when all is well."""
    ids = manifests.every(place)
    if not ids:
        yield "there is no backup yet"
        return
    known = {base.id: base for base in retention.bases(place, folder)}
    sizes = {file.path: file.size for file in place.files(f"{folder}/base")}
    newest = manifests.read(place, ids[-1])
    tell(f"{len(ids):,} backups, the newest of {newest.when}; {len(known)} base backups")
    if newest.base not in known:
        yield f"base backup {newest.base}, which the newest backup needs, is not there"
    for base in known.values():
        if sizes.get(f"{base.id}.tar.zst") != base.bytes:
            yield f"base backup {base.id} is not as long as it was made"
    yield from _gaps([file.path for file in place.files(f"{folder}/wals")], list(known.values()))
    there = place.files(NOW)
    if (missing := newest.counts["objects"] - len(there)) > 0:
        yield f"{missing:,} artifacts of the newest backup are not there"
    elif sum(file.size for file in there) < newest.counts["bytes"]:
        yield "artifacts of the newest backup are not as long as they were"
    try:
        every = manifests.all_of(place)
    except PlaceError as error:
        yield f"not every manifest can be read: {error}"
        every = [manifests.read(place, id) for id in ids if _is_whole(place, f"manifests/{id}.json")]
    states = {manifest.stack: manifest.stack_sha256 for manifest in every}
    bundles = {file.path for file in place.files("stack")}
    needed = {f"{name}.tar.gz": sha256 for name, sha256 in sorted(states.items()) if name}
    for name in needed:
        if name not in bundles:
            yield f"the stack's state {name}, which a backup needs, is not there"
    if deep:
        for base in known.values():
            yield from _read(place, f"{folder}/base/{base.id}.tar.zst", base.sha256, tell)
        for name, sha256 in needed.items():
            yield from _read(place, f"stack/{name}", sha256, tell)
        for path in ("manifests", f"{folder}/wals", NOW, BEFORE):
            yield from _read_all(place, path, tell)


def _gaps(paths: Sequence[str], bases: Sequence[Base]) -> Iterator[str]:
    """Of each timeline the segments from the first base backup on follow each other, but for gaps made good by one."""
    begins = sorted((base.begins, base.after_gap) for base in bases)
    first = begins[0][0] if begins else ""
    names = sorted(name for path in paths if len(name := path.rpartition("/")[2]) == _NAME and name >= first)
    for before, after in pairwise(names):
        if before[:8] != after[:8] or position(after) == position(before) + SEGMENT:
            continue
        if not next((after_gap for begin, after_gap in begins if begin >= after), False):
            yield f"the log has a gap between {before} and {after}"


def _read(place: Place, path: str, sha256: str, tell: Callable[[str], None]) -> Iterator[str]:
    digest = hashlib.sha256()
    try:
        for chunk in place.stream_out(path):
            digest.update(chunk)
    except PlaceError as error:
        yield str(error)
        return
    if digest.hexdigest() != sha256:
        yield f"{path} is not what was written there"
    else:
        tell(f"read and compared: {path}")


def _read_all(place: Place, path: str, tell: Callable[[str], None]) -> Iterator[str]:
    """Every block carries its own authentication: what can be decrypted is what was encrypted."""
    there = place.files(path)
    if not there:
        return
    try:
        read = place.rclone("md5sum", "--download", f"place:{path}").splitlines()
        if any(line.lstrip().startswith("ERROR") for line in read):
            raise PlaceError(f"{place.name}: not all of it")
    except PlaceError as error:
        damaged = [file.path for file in there if not _is_whole(place, f"{path}/{file.path}")]
        yield (
            f"{len(damaged)} files below {path} are damaged, first {damaged[0]}"
            if damaged
            else f"something below {path} cannot be read: {error}"
        )
        return
    tell(f"read: {len(read):,} files below {path}")


def _is_whole(place: Place, path: str) -> bool:
    try:
        for _ in place.stream_out(path):
            pass
    except PlaceError:
        return False
    return True
