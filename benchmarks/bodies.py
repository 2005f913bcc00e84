"""Bodies as the platform sends them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

META = {"apiVersion": "2.0.0", "serverTime": 1700000000.123, "serial": "2026010100"}
EVENTS_A_CHUNK = 100
"""Events in one chunk of the platform."""

_BLOCK = 10_000
"""The number of events after which they repeat."""
_WORDS = ["matin", "kilo", "体重", "Überprüfung", "дом", "note", "walk", "😀", "“quoted”", "line\nbreak", "back\\slash"]


def encoded(value: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def events(count: int) -> list[dict[str, Any]]:
    """Return events of mixed content, about 310 bytes each."""
    chance = random.Random(1)
    return [_event(number, chance) for number in range(count)]


def _event(number: int, chance: random.Random) -> dict[str, Any]:
    return {
        "id": identifier(chance),
        "time": 1600000000.123 + 60 * number,
        "streamIds": [chance.choice(["body", "diary", "pulse"])],
        "streamId": "body",
        "type": "note/txt",
        "content": _content(number, chance),
        "tags": [],
        "created": 1700000000.5 + number,
        "createdBy": identifier(chance),
        "modified": 1700000001.25 + number,
        "modifiedBy": identifier(chance),
    }


def _content(number: int, chance: random.Random) -> Any:
    kinds: list[Any] = [
        round(60 + 20 * chance.random(), 1),
        " ".join(chance.choices(_WORDS, k=8)),
        {"systolic": 120 + number % 30, "diastolic": 80, "rate": 61.5},
        None,
        {"events": [{"id": "x"}, {"y": [1, 2, {"z": "},{"}]}], "drug": {"label": {"en": "Paracetamol"}, "dose": 2.5}},
    ]
    return kinds[number % len(kinds)]


def identifier(chance: random.Random) -> str:
    """Return an id as the platform makes them."""
    return "c" + "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24))


class EventsBody:
    """The response to `events.get` in chunks: events, and under `eventDeletions` items of the same shape."""

    def __init__(self, events_count: int, deletions_count: int = 0) -> None:
        block = events(min(_BLOCK, max(events_count, deletions_count)))
        self._chunks = [
            encoded(block[start : start + EVENTS_A_CHUNK])[1:-1] for start in range(0, len(block), EVENTS_A_CHUNK)
        ]
        self._sections = {"events": events_count, "eventDeletions": deletions_count}

    def __iter__(self) -> Iterator[bytes]:
        opening = b"{"
        for name, count in self._sections.items():
            if count:
                yield opening + encoded(name) + b":["
                yield from self._items(count)
                opening = b"],"
        yield opening + encoded({"meta": META})[1:]

    def _items(self, count: int) -> Iterator[bytes]:
        comma = b""
        for chunk in itertools.islice(itertools.cycle(self._chunks), count // EVENTS_A_CHUNK):
            yield comma + chunk
            comma = b","
