"""Streamed reads of events."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bodies import EventsBody
from row import Command, Contender, Function, Reply, Row, Site


def site(size: int) -> Site:
    """Return an account with `size` events."""
    return {"GET /events": Reply(EventsBody(size))}


def slow_site(size: int) -> Site:
    """Return an account behind a throttled connection."""
    return {"GET /events": Reply(EventsBody(size), pause=0.02)}


def site_with_deletions(size: int) -> Site:
    """Return an account with `size` events, and one where half of them come as deletions."""
    return {
        "GET /events": Reply(EventsBody(size)),
        "GET /deletions/events": Reply(EventsBody(size // 2, size // 2)),
    }


def streamed(url: str, size: int) -> Callable[[], int]:
    """Read with `iter_events` and the standard library."""
    sys.modules["msgspec"] = None  # type: ignore[assignment]  # as if it were not installed
    return streamed_with_msgspec(url, size)


def streamed_with_msgspec(url: str, _: int) -> Callable[[], int]:
    """Read with `iter_events` and the extra `speed`."""
    from pryv import Connection

    connection = Connection(url)
    return lambda: sum(1 for _ in connection.iter_events())


def streamed_with_deletions(url: str, _: int) -> Callable[[], int]:
    """Read with `iter_events`, deletions included."""
    from pryv import Connection

    connection = Connection(f"{url}deletions/")
    return lambda: sum(1 for _ in connection.iter_events({"modifiedSince": 0, "includeDeletions": True}))


def whole(url: str, _: int) -> Callable[[], int]:
    """Read with requests, and parse what has come."""
    import requests

    def run() -> int:
        return sum(1 for _ in requests.get(f"{url}events", timeout=60).json()["events"])

    return run


def whole_by_orjson(url: str, _: int) -> Callable[[], int]:
    """Read with requests, and parse what has come with orjson."""
    import orjson
    import requests

    def run() -> int:
        return sum(1 for _ in orjson.loads(requests.get(f"{url}events", timeout=60).content)["events"])

    return run


def parsed_by_ijson(url: str, _: int) -> Callable[[], int]:
    """Read with requests and ijson, as plainly as can be."""
    import ijson
    import requests

    def run() -> int:
        with requests.get(f"{url}events", timeout=60, stream=True) as response:
            return sum(1 for _ in ijson.items(response.raw, "events.item", use_float=True))

    return run


def first_event(url: str, _: int) -> Callable[[], int]:
    """Read one event."""
    from pryv import Connection

    connection = Connection(url)

    def run() -> int:
        with connection.iter_events() as events:
            next(events)
        return 1

    return run


REFERENCES: dict[str, Contender] = {
    "`requests.get().json()`": Function("whole"),
    "JavaScript `getEventsStreamed`": Command(["node", "{here}/javascript/events.cjs", "{url}"], reports=True),
    "requests and orjson, the whole body": Function("whole_by_orjson"),
    "ijson": Function("parsed_by_ijson"),
}

ROWS = [
    Row(
        "events",
        "`iter_events`, 100,000 events",
        "cpu",
        Function("streamed"),
        REFERENCES,
        dict(zip(REFERENCES, (0.48, 0.6, 0.55), strict=False)),
        size=(100_000, 300),
        site=site,
    ),
    Row(
        "events-speed",
        "the same, with `pryv[speed]`",
        "cpu",
        Function("streamed_with_msgspec"),
        REFERENCES,
        dict(zip(REFERENCES, (0.28, 0.32, 0.3), strict=False)),
        size=(100_000, 300),
        site=site,
    ),
    Row(
        "memory",
        "`iter_events`, 1,000,000 events",
        "memory",
        Function("streamed"),
        reach={"": 16},
        size=(1_000_000, 300),
        site=site,
        rounds=3,
    ),
    Row(
        "first-event",
        "the first event, on a throttled connection",
        "wall",
        Function("first_event"),
        {"the whole read": Function("streamed")},
        {"the whole read": 0.05},
        size=(10_000, 5_000),
        site=slow_site,
        rounds=3,
    ),
    Row(
        "deletions",
        "`includeDeletions`, 50,000 events and as many deletions",
        "cpu",
        Function("streamed_with_deletions"),
        {"100,000 events": Function("streamed_with_msgspec")},
        {"100,000 events": 1.05},
        size=(100_000, 400),
        site=site_with_deletions,
    ),
]
