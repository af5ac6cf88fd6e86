"""Durations as Go writes them, which are what the daemon counts in nanoseconds."""

import re

_DURATION_PART = r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)"
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}


def is_duration(duration: str) -> bool:
    """Whether Go would read the text as a duration."""
    return re.fullmatch(rf"({_DURATION_PART})+|0", duration) is not None


def nanoseconds(duration: str) -> int:
    """The length of a duration."""
    return int(sum(float(part[1]) * _UNITS[part[2]] for part in re.finditer(_DURATION_PART, duration)))


def text(nanoseconds: int) -> str:
    """A duration as Go prints it: 90 s are 1m30s."""
    if not nanoseconds:
        return "0s"
    if nanoseconds < _UNITS["s"]:
        unit = next(unit for unit in ("ms", "us", "ns") if nanoseconds >= _UNITS[unit])
        return f"{nanoseconds / _UNITS[unit]:g}{unit.replace('us', 'µs')}"
    minutes, seconds = divmod(nanoseconds / _UNITS["s"], 60)
    hours, minutes = divmod(int(minutes), 60)
    rest = f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"
    return f"{hours}h{minutes}m{rest}" if hours else f"{minutes}m{rest}" if minutes else rest
