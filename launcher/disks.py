"""Whether there is room for what the servers write: without it they may look well, and refuse whatever comes."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from launcher.processes import answer
from launcher.sizes import in_words
from launcher.state import State

_LEAST, _LEAST_BYTES = 0.012, 64_000_000  # MinIO writes nothing beyond 0.99 of a disk, PostgreSQL without 16 MiB
_SIZES = ["df", "-P", "-B1"]


def full(state: State) -> list[str]:
    """A sentence for each volume whose disk is full, or as good as."""
    ids = [made.id for made in state.made if made.kind == "container" and made.runs]
    with ThreadPoolExecutor(len(ids) or 1) as pool:
        return [sentence for found in pool.map(_full, ids) for sentence in found]


def _full(id: str) -> list[str]:
    inspected = answer(["docker", "inspect", "--type=container", id])
    return list(_sentences(json.loads(inspected)[0])) if inspected else []


def _sentences(container: Mapping[str, Any]) -> Iterator[str]:
    name = str(container["Name"]).removeprefix("/")
    for mount in container["Mounts"]:
        if not mount["RW"] or not _holds_data(mount) or not (room := _room(container, mount)):
            continue
        left, size = room
        if left < max(size * _LEAST, _LEAST_BYTES):
            yield (
                f"{mount.get('Name') or mount['Source']} is full: {in_words(left)} of {in_words(size)} are left; "
                f"what {name} has to store there fails until there is room"
            )


def _holds_data(mount: Mapping[str, Any]) -> bool:
    """Not the volumes without a name of their own, which go with their container."""
    return mount["Type"] == "bind" or (mount["Type"] == "volume" and len(mount["Name"]) != 64)


def _room(container: Mapping[str, Any], mount: Mapping[str, Any]) -> tuple[int, int] | None:
    """What is left of how much; asked in a container of its own where the server has ended, which it does for this."""
    path = mount["Destination"]
    said = answer(["docker", "exec", container["Id"], *_SIZES, path], timeout=10)
    if said is None:
        source = mount.get("Name") or mount["Source"]
        run = ["docker", "run", "--rm", "--network=none", "--user=0:0", f"--volume={source}:{path}:ro"]
        said = answer([*run, f"--entrypoint={_SIZES[0]}", container["Image"], *_SIZES[1:], path], timeout=20)
    try:
        _, size, _, left = (said or "").splitlines()[-1].split()[:4]
        return int(left), int(size)
    except (IndexError, ValueError):
        return None
