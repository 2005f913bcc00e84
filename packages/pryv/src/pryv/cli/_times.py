"""Times in tables."""

from __future__ import annotations

from datetime import datetime


def local_time(seconds: object) -> object:
    """Return a time of the API as local time, in the form that `--since` reads; any other value unchanged.

    Args:
        seconds: Seconds since 1970.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        return seconds
    try:
        return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")
    except (OverflowError, OSError, ValueError):  # not in the years 1 to 9999
        return seconds


def local_date(seconds: object) -> object:
    """Return the date of a time of the API, as `local_time` does.

    Args:
        seconds: Seconds since 1970.
    """
    time = local_time(seconds)
    return time.partition(" ")[0] if isinstance(time, str) else time
