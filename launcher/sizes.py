"""How much is in MinIO, as its scanner counted it: asking costs nothing, whatever there is."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from launcher.console import table
from launcher.minio import asking
from launcher.state import State

_POLICY = "minio:index/iamPolicy:IamPolicy"
_BUCKET = "minio:index/s3Bucket:S3Bucket"
_TEAM = "team-"
_ASK = asking("datausageinfo", "accountinfo?prefix-usage=true")


@dataclass(frozen=True)
class Size:
    """What is at a place, versions that are not current included; None is what the scanner does not say."""

    place: str
    objects: int | None
    versions: int | None
    bytes: int | None

    @property
    def row(self) -> tuple[str, ...]:
        counts = ["-" if count is None else f"{count:,}" for count in (self.objects, self.versions)]
        return (self.place, *counts, "-" if self.bytes is None else in_words(self.bytes))


def told(state: State) -> str:
    """The sizes as a table with the minute in which they were counted, or why there are none."""
    found = _ask(state)
    if isinstance(found, str):
        return f"How much is in MinIO: {found}"
    counted, sizes = found
    return table([(f"PLACE, {counted}", "OBJECTS", "VERSIONS", "SIZE"), *(size.row for size in sizes)])


def _ask(state: State) -> tuple[str, list[Size]] | str:
    server = state.container("minio-1")
    bucket = next((it["inputs"].get("bucket") for it in state.resources if it["type"] == _BUCKET), None)
    if not server or not bucket:
        return "there is none"
    try:
        asked = subprocess.run(
            ["docker", "exec", server.id, *_ASK], capture_output=True, text=True, timeout=15, check=True
        )
        usage, account = map(json.loads, asked.stdout.splitlines())
        counted = _minute(usage["lastUpdate"])
    except (subprocess.SubprocessError, ValueError, TypeError):
        return f"it does not say (docker logs {server.name})"
    if usage["lastUpdate"].startswith("0001"):
        return "it has not counted yet"
    return counted, list(_sizes(state, bucket, usage, account))


def _sizes(state: State, bucket: str, usage: Mapping[str, Any], account: Mapping[str, Any]) -> Iterator[Size]:
    whole = (usage.get("bucketsUsageInfo") or {}).get(bucket) or {}
    yield Size(bucket, whole.get("objectsCount", 0), whole.get("versionsCount", 0), whole.get("size", 0))
    (found, *others) = account["Buckets"] or [{}]
    known = {} if others else found.get("prefixUsage") or {}  # MinIO counts folders of one bucket, and not always ours
    for team, prefixes in sorted(_prefixes(state, bucket).items()):
        for prefix in prefixes:
            top, _, rest = prefix.partition("/")
            yield Size(f"{bucket}/{prefix} ({team})", None, None, None if rest or not known else known.get(top, 0))


def _prefixes(state: State, bucket: str) -> dict[str, list[str]]:
    """The folders that teams are limited to, as their policies say."""
    arn, found = f"arn:aws:s3:::{bucket}/", {}
    for resource in state.resources:
        name = resource.get("inputs", {}).get("name", "")
        if resource["type"] != _POLICY or not name.startswith(_TEAM):
            continue
        for statement in json.loads(resource["inputs"]["policy"])["Statement"]:
            begins = [place.removeprefix(arn).removesuffix("*") for place in statement.get("Resource", [])]
            if statement["Effect"] == "Allow" and "s3:GetObject" in statement["Action"]:
                # What does not end in a slash is no folder: all of the bucket, or the default workspace's numbers.
                found.setdefault(name.removeprefix(_TEAM), []).extend(it for it in begins if it.endswith("/"))
    return found


def in_words(size: float) -> str:
    """
    >>> in_words(0), in_words(999), in_words(53_200_000), in_words(7e12)
    ('0 B', '999 B', '53.2 MB', '7.0 TB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _minute(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
