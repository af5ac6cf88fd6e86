"""Seconds as the providers write durations."""


def go_duration(seconds: int) -> str:
    """As Go prints it, which is what a provider reads back: 300 is 5m0s, a day 24h0m0s."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
