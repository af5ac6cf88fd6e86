"""Durations as the official plugin writes them: Go's notation in the program, whole seconds in Keycloak."""

import re

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)")


def to_seconds(text: str) -> int:
    """`"1h30m"` is 5400; a text that is no duration is a ValueError that says what one looks like."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if digits == "0":
        return 0
    parts = list(_PART.finditer(digits))
    if not parts or "".join(part.group() for part in parts) != digits:
        raise ValueError(f"{text!r} is not a duration; write one like 30m, 8h or 1h30m0s")
    return sign * int(sum(float(part[1]) * _SECONDS[part[2]] for part in parts))


def from_seconds(seconds: int) -> str:
    """300 is `"5m0s"`: units below the largest one are always written."""
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    hours, minutes, rest = seconds // 3600, seconds // 60 % 60, seconds % 60
    if hours:
        return f"{sign}{hours}h{minutes}m{rest}s"
    return f"{sign}{minutes}m{rest}s" if minutes else f"{sign}{rest}s"


def same(one: str, other: str) -> bool:
    """Whether two texts mean the same number of seconds."""
    return to_seconds(one) == to_seconds(other)
