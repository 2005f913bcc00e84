"""Batches."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bodies import META, encoded, events
from row import Function, Reply, Row, Site

_CHUNK = 1000


def site(_: int) -> Site:
    """Return an account that creates events."""
    results = [{"event": event} for event in events(_CHUNK)]
    return {"POST /": Reply.of(encoded({"meta": META, "results": results}))}


def calls(size: int) -> list[dict[str, Any]]:
    """Return calls that create events."""
    return [
        {
            "method": "events.create",
            "params": {"streamIds": ["body"], "type": "mass/kg", "content": 60 + number % 9, "time": 1.6e9 + number},
        }
        for number in range(size)
    ]


def api(url: str, size: int) -> Callable[[], int]:
    """Send the calls with `api`."""
    from pryv import Connection

    connection, batch = Connection(url), calls(size)
    return lambda: len(connection.api(batch))


def by_hand(url: str, size: int) -> Callable[[], int]:
    """Send the calls with requests."""
    import requests

    batch = calls(size)

    def run() -> int:
        results: list[Any] = []
        with requests.Session() as session:
            for start in range(0, len(batch), _CHUNK):
                body = json.dumps(batch[start : start + _CHUNK])
                response = session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=60)
                response.raise_for_status()
                results += response.json()["results"]
        return len(results)

    return run


ROWS = [
    Row(
        "batch",
        "`api`, 20,000 calls",
        "cpu",
        Function("api"),
        {"requests and json, by hand": Function("by_hand")},
        {"requests and json, by hand": 1.2},
        size=(20_000, 2_000),
        site=site,
    )
]
