"""Writes are stamped before they can be read, so a reader that trusts the latest stamp misses some."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pryv_sandbox import Sandbox

from .caller import Caller

WRITERS = 6
EVENTS_EACH = 40
WINDOW = 0.02


def write(owner: Caller, writer: int) -> set[str]:
    return {owner.add_event("a", content=f"{writer}-{number}")["content"] for number in range(EVENTS_EACH)}


def follow(owner: Caller, look_back: float, finished: Callable[[], bool]) -> set[str]:
    """What a reader sees that asks for what is modified after the latest it has seen, less ``look_back``."""
    seen: set[str] = set()
    anchor = 0.0
    last = False
    while not last:
        last = finished()
        events = owner.get("events", streams="a", limit=100_000, modifiedSince=anchor - look_back)["events"]
        seen.update(event["content"] for event in events)
        anchor = max([anchor, *(event["modified"] for event in events)])
    return seen


@pytest.mark.parametrize(("look_back", "loses"), [(0.0, True), (WINDOW + 0.5, False)])
def test_six_writers_overtake_each_other(look_back: float, loses: bool) -> None:
    with Sandbox(visibility_window=WINDOW) as sandbox, ThreadPoolExecutor(WRITERS) as pool:
        owner = Caller.of(sandbox)
        owner.add_streams("a")
        writers: list[Future[set[str]]] = [pool.submit(write, owner, number) for number in range(WRITERS)]
        seen = follow(owner, look_back, lambda: all(writer.done() for writer in writers))
        written = set().union(*(writer.result() for writer in writers))
    assert (written - seen != set()) is loses
    assert seen <= written


def test_a_write_is_visible_when_it_is_answered(owner: Caller) -> None:
    owner.add_streams("a")
    for _ in range(20):
        event = owner.add_event("a")
        found = owner.get("events", streams="a", modifiedSince=event["modified"] - 0.001)["events"]
        assert event in found
