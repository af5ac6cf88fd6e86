"""What stays at the place and what goes: the rule is arithmetic on times, all else follows from the bases that stay."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from platform_backup import manifest as manifests
from platform_backup.database import Base
from platform_backup.objects import BEFORE
from platform_backup.place import Place

_DAY = 86400.0


def kept(times: Iterable[float], keep: Mapping[str, int], now: float) -> set[float]:
    """Of backups' ends (Unix time): all within `days`, the newest of each week and month, and ever the newest.

    The newest before the window of days stays too: the window's first hours are restored from it.
    """
    ordered = sorted(times)
    stay = {time for time in ordered if time >= now - keep["days"] * _DAY}
    stay |= set(ordered[-1:]) | set([time for time in ordered if time not in stay][-1:])
    for period, count, name in ((7 * _DAY, keep["weeks"], "%G-%V"), (31 * _DAY, keep["months"], "%Y-%m")):
        newest = {datetime.fromtimestamp(time, UTC).strftime(name): time for time in ordered}
        stay |= {time for time in newest.values() if time >= now - count * period}
    return stay


def horizon(keep: Mapping[str, int], now: float) -> float:
    """Before which nothing is kept (Unix time)."""
    return now - max(keep["days"], 7 * keep["weeks"], 31 * keep["months"]) * _DAY


def bases(place: Place, folder: str) -> list[Base]:
    """Of one database system, oldest first."""
    found = [file.path for file in place.files(f"{folder}/base") if file.path.endswith(".json")]
    return sorted((Base(**json.loads(place.read(f"{folder}/base/{path}"))) for path in found), key=lambda base: base.at)


def newest_base(place: Place, folder: str) -> Base | None:
    return next(reversed(bases(place, folder)), None)


def apply(place: Place, folder: str, keep: Mapping[str, int], now: float) -> None:
    """Removes what `keep` no longer covers, manifests first: none ever names what is gone."""
    known = bases(place, folder)
    stay = kept([base.at for base in known], keep, now)
    going = [base for base in known if base.at not in stay]
    window = now - keep["days"] * _DAY
    _forget_manifests(place, {base.id for base in going}, window)
    place.delete(f"{folder}/base", [f"{base.id}{end}" for base in going for end in (".json", ".tar.zst")])
    _forget_log(place, folder, [base for base in known if base not in going], window)
    _forget_objects(place, horizon(keep, now))


def _forget_manifests(place: Place, gone: set[str], window: float) -> None:
    """Those of bases that go; before the window, where there is no log any more, all but the first of each base.

    With them the stack's states that no other names, but for the newest.
    """
    stay, going = [], []
    seen: set[str] = set()
    for manifest in manifests.all_of(place):
        outdated = manifests.time_of(manifest.id) < window
        (going if manifest.base in gone or (outdated and manifest.base in seen) else stay).append(manifest)
        seen.add(manifest.base)
    manifests.forget(place, [manifest.id for manifest in going])
    states = sorted(file.path for file in place.files("stack"))
    named = {f"{manifest.stack}.tar.gz" for manifest in stay}
    place.delete("stack", [path for path in states[:-1] if path not in named])


def _forget_log(place: Place, folder: str, known: list[Base], window: float) -> None:
    """Segments before the base that the window begins with; what older bases need is packed with them."""
    before = [base for base in known if base.at < window]
    first = (before[-1:] or known[:1] or [None])[0]
    if first:
        segments = [file.path for file in place.files(f"{folder}/wals")]
        names = {path: path.rpartition("/")[2] for path in segments}
        place.delete(
            f"{folder}/wals", [path for path, name in names.items() if name < first.begins and "." not in name]
        )
        unfinished = [file.path for file in place.files(f"{folder}/streaming")]
        place.delete(f"{folder}/streaming", [path for path in unfinished if path < first.begins])


def _forget_objects(place: Place, before: float) -> None:
    listed = place.rclone("lsf", "--dirs-only", f"place:{BEFORE}").split() if place.files(BEFORE) else []
    for round in listed:
        if manifests.time_of(round.rstrip("/")) < before:
            place.purge(f"{BEFORE}/{round.rstrip('/')}")
