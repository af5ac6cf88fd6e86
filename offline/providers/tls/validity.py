"""When a certificate is valid, and when its successor is due."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

LONGEST = 2562047  # hours: upstream counts with Go's time.Duration, which ends after 292 years


def clock() -> int:
    """Nanoseconds since 1970, as finely as the texts in the state have them."""
    return time.time_ns()


def text(nanoseconds: int) -> str:
    """The moment as Go writes it (RFC 3339 with a fraction of up to nine digits), always in UTC."""
    seconds, rest = divmod(nanoseconds, 10**9)
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{moment(seconds * 10**9):%Y-%m-%dT%H:%M:%S}{fraction}Z"


def moment(nanoseconds: int) -> datetime:
    """The second, which is as finely as a certificate has it."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC)


def hours(count: int) -> int:
    return count * 3600 * 10**9


def is_due(end: Any, early: Any) -> bool:
    """Whether a certificate that ends then is to be renewed, so many hours early; no while either is not known.

    Source: modifyPlanIfCertificateReadyForRenewal in internal/provider/common_cert.go of terraform-provider-tls.
    """
    try:
        last = datetime.fromisoformat(end)
    except (TypeError, ValueError):
        return False
    if not isinstance(early, int):
        return False
    return last - timedelta(hours=early) <= datetime.fromtimestamp(clock() / 10**9, UTC)
