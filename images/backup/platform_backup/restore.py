"""From the place back: run in a container of its own by the launcher, which knows the stack."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from platform_backup import manifest as manifests
from platform_backup import retention
from platform_backup.config import SPOOL
from platform_backup.database import SEGMENT, SERVER, Base, DatabaseError, barman, system_folder
from platform_backup.manifest import Manifest
from platform_backup.objects import BEFORE, NOW
from platform_backup.place import NothingThere, Place, PlaceError

_CLOCKS = 300.0  # seconds by which PostgreSQL's and Barman's may differ
Tell = Callable[[str], None]


def choose(place: Place, at: float | None) -> Manifest:
    """The backup whose state of the stack, and whose objects, belong to this time: the last one not after it."""
    if not place.fits():
        raise PlaceError(f"{place.name} has no backup that this key opens")
    ids = manifests.every(place)
    fitting = [id for id in ids if at is None or manifests.time_of(id) <= at]
    if not fitting:
        first = f"; the first is of {manifests.read(place, ids[0]).when}" if ids else ""
        raise PlaceError(f"{place.name} has no backup that is old enough{first}")
    return manifests.read(place, fitting[-1])


def base_for(place: Place, manifest: Manifest, at: float | None) -> Base:
    """The last base backup that was complete by then."""
    usable = [base for base in retention.bases(place, system_folder(manifest.system)) if at is None or base.at <= at]
    if not usable:
        raise PlaceError(f"{place.name} has no base backup from before that time")
    return usable[-1]


def log_for(place: Place, manifest: Manifest, base: Base, at: float | None) -> list[str]:
    """Paths of the log that leads from a base backup to that time."""
    folder = system_folder(manifest.system)
    later = [it for it in retention.bases(place, folder) if at is not None and it.begun > at + _CLOCKS]
    return _leading([file.path for file in place.files(f"{folder}/wals")], base, later)


def _leading(paths: Sequence[str], base: Base, later: Sequence[Base]) -> list[str]:
    """From the base backup on, up to where the first of those that were begun later ends on the same timeline."""
    ends = min((it.ends for it in later if it.ends[:8] == base.begins[:8]), default="g")  # after all digits
    names = {path: path.rpartition("/")[2] for path in paths}
    return [path for path, name in names.items() if base.begins <= name <= ends or name.endswith(".history")]


def database(place: Place, manifest: Manifest, at: float | None, target: Path, tell: Tell) -> None:
    """A data directory that recovers to `at` (Unix time; None for all that is there) when a server starts on it."""
    shutil.rmtree(target, ignore_errors=True)
    folder = system_folder(manifest.system)
    base = base_for(place, manifest, at)
    home = SPOOL / SERVER
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    tell(f"base backup {base.id} ({base.bytes:,} bytes)")
    _unpack(place, f"{folder}/base/{base.id}.tar.zst", base, home)
    segments = log_for(place, manifest, base, at)
    tell(f"{len(segments):,} segments of the log")
    place.copy(f"place:{folder}/wals", str(home / "wals"), paths=segments)
    for name in ("streaming", "incoming", "errors"):
        (home / name).mkdir(exist_ok=True)
    barman(["rebuild-xlogdb", SERVER])
    # Even to the end of the log it is a recovery, which begins a timeline of its own: none is written twice. A time is
    # one on the timeline of its base backup, for each timeline begins with one; a later one may have left it before.
    when = ["--target-tli", "latest" if at is None else str(int(base.begins[:8], 16))]
    if at is not None:
        when += ["--target-time", datetime.fromtimestamp(at, UTC).isoformat(), "--target-action=promote"]
    barman(["restore", *when, SERVER, base.id, str(target)])
    _add_unfinished(place, folder, target)
    shutil.rmtree(home)


def _unpack(place: Place, path: str, base: Base, home: Path) -> None:
    digest = hashlib.sha256()
    with subprocess.Popen(["tar", "--zstd", "-C", str(home), "-xf", "-"], stdin=subprocess.PIPE) as unpacking:
        assert unpacking.stdin
        for chunk in place.stream_out(path):
            digest.update(chunk)
            unpacking.stdin.write(chunk)
        unpacking.stdin.close()
    if unpacking.returncode or digest.hexdigest() != base.sha256:
        raise DatabaseError(f"base backup {base.id} is damaged; an earlier --at uses another one")


def _add_unfinished(place: Place, folder: str, target: Path) -> None:
    """The segment that was being written, where the recovery looks for the log; as long as one has to be.

    Of its copies the longest that is whole: the machine may have been lost while the last was sent.
    """
    staged = target / "barman_wal"
    log = staged if staged.is_dir() else target / "pg_wal"
    for file in sorted(place.files(f"{folder}/streaming"), key=lambda file: file.path, reverse=True):
        segment = log / file.path.partition(".")[0]
        if segment.exists():
            continue
        try:
            packed = place.read(f"{folder}/streaming/{file.path}")
            written = subprocess.run(["zstd", "-dcq"], input=packed, capture_output=True, check=True).stdout
        except (PlaceError, subprocess.CalledProcessError):
            continue
        segment.write_bytes(written + bytes(SEGMENT - len(written)))


def objects(place: Place, manifest: Manifest, at: float | None, bucket: str, tell: Tell, below: str = "") -> None:
    """The bucket as of the first round after that time, and what this round itself took away; more does no harm.

    What later rounds overwrote or deleted comes over what is there now, the latest first.
    """
    found = place.rclone("lsf", "--dirs-only", f"place:{BEFORE}").split() if place.files(BEFORE) else []
    rounds = sorted(name.rstrip("/") for name in found)
    after = [id for id in manifests.every(place) if manifests.time_of(id) >= (manifest.time if at is None else at)]
    until = min(after, default=manifest.id)

    def bring(source: str, *options: str) -> None:
        tell(f"artifacts: {source}")
        with suppress(NothingThere):
            place.copy(f"place:{source}/{below}", f"minio:{bucket}/{below}", "--fast-list", "--transfers=8", *options)

    # Not by checksum: what is encrypted has none to compare, and then size alone would count.
    bring(NOW, "--use-server-modtime")
    for round in reversed(rounds):
        if round > until:
            bring(f"{BEFORE}/{round}", "--use-server-modtime")
    if until in rounds and at is not None:
        bring(f"{BEFORE}/{until}", "--ignore-existing")


def stack(place: Place, manifest: Manifest) -> bytes:
    """The bundle with Pulumi's state, looked through; a stack's very first backups are older than its first one."""
    later = [id for id in manifests.every(place) if id > manifest.id]
    found = manifest
    while not found.stack:
        if not later:
            raise PlaceError(f"the backup of {manifest.when} was made without the stack's state")
        found = manifests.read(place, later.pop(0))
    content = place.read(f"stack/{found.stack}.tar.gz")
    if hashlib.sha256(content).hexdigest() != found.stack_sha256:
        raise PlaceError(f"the stack's state of {found.when} is damaged")
    return content
