"""Platforms and data stores that send malformed events and streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from pryv import Connection, PryvProtocolError, PryvStreamError
from pryv_monitor import MemoryAnchorStore, Monitor, SQLiteMirror

ENDPOINT = "http://token@127.0.0.1:1/alice/"
META = {"apiVersion": "2.0.0", "serverTime": 1700000000.5, "serial": "1"}
EVENT = {"id": "x", "time": 1.5, "modified": 1700000000.25, "streamIds": ["d"], "type": "note/txt", "content": "c"}
TREE = [{"id": "d", "name": "D", "children": [{"id": "e", "name": "E", "parentId": "d"}]}]

Keep = Callable[[], dict[str, Any]]


class Platform:
    """An account that holds and sends anything."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        self.events: Any = []
        self.changed: Any = []
        self.deletions: Any = []
        self.streams: Any = TREE
        self.lacks: set[str] = set()
        mock.add_callback("GET", f"{ENDPOINT.replace('token@', '')}streams", self._streams)
        mock.add_callback("GET", f"{ENDPOINT.replace('token@', '')}events", self._events)
        mock.add_callback("POST", ENDPOINT.replace("token@", ""), self._batch)

    def _streams(self, _: Any) -> tuple[int, dict[str, str], str]:
        return 200, {}, json.dumps({"streams": self.streams, "meta": META})

    def _events(self, request: Any) -> tuple[int, dict[str, str], str]:
        if "modifiedSince" not in request.params:
            return 200, {}, json.dumps({**self._present({"events": self.events}), "meta": META})
        return 200, {}, json.dumps({**self._changes(), "meta": META})

    def _batch(self, _: Any) -> tuple[int, dict[str, str], str]:
        results = [{"streams": self.streams}, self._changes()]
        return 200, {}, json.dumps({"meta": META, "results": results})

    def _changes(self) -> dict[str, Any]:
        return self._present({"events": self.changed, "eventDeletions": self.deletions})

    def _present(self, members: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in members.items() if name not in self.lacks}


@pytest.fixture
def platform() -> Iterator[Platform]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Platform(mock)


@pytest.fixture(params=["anchor", "mirror"])
def keep(request: pytest.FixtureRequest, tmp_path: Path) -> Keep:
    """Makes a new store, by the name of the monitor's argument."""
    numbers = iter(range(100_000))
    if request.param == "mirror":
        return lambda: {"mirror": SQLiteMirror(tmp_path / f"{next(numbers)}.db")}
    return lambda: {"anchor_store": MemoryAnchorStore()}


def monitor_of(store: dict[str, Any]) -> Monitor:
    return Monitor(Connection(ENDPOINT, retry=None), **store)


def without(member: str) -> dict[str, Any]:
    return {key: value for key, value in EVENT.items() if key != member}


@pytest.mark.parametrize("lacks", [["eventDeletions"], ["events", "eventDeletions"]], ids="-".join)
def test_a_response_that_lacks_a_member_ends_no_pass(platform: Platform, keep: Keep, lacks: list[str]) -> None:
    store = keep()
    monitor = monitor_of(store)
    monitor.sync()
    (kept,) = store.values()
    anchor = kept.load()
    platform.lacks = set(lacks)
    with pytest.raises(PryvStreamError, match="has no event"):
        monitor.sync()
    assert kept.load().since == anchor.since
    platform.lacks = {"events"}
    with pytest.raises(PryvStreamError, match="has no event"):
        monitor.sync(full=True)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (without("id"), "an event has no id"),
        ({**EVENT, "id": 7}, "an event has no id"),
        (without("time"), "event 'x' has no time"),
        ({**EVENT, "time": "1.5"}, "event 'x' has no time"),
        ({**EVENT, "time": True}, "event 'x' has no time"),
        ({**EVENT, "time": 10**400}, "event 'x' has no time"),
        ({**EVENT, "modified": "text"}, "no number in 'modified'"),
        ({**EVENT, "modified": []}, "no number in 'modified'"),
        ({"id": "x", "deleted": 5.0}, "event 'x' has no time"),
    ],
)
def test_missing_members_of_an_event_are_named(platform: Platform, keep: Keep, event: Any, message: str) -> None:
    store = keep()
    for events in (platform.events, platform.changed):
        events.append(event)
        with pytest.raises(PryvProtocolError, match=message):
            monitor_of(store).sync()
        events.clear()
        monitor_of(store).sync()


@pytest.mark.parametrize(
    ("deletion", "message"),
    [
        ({"deleted": 5.0}, "an event has no id"),
        ({"id": "x", "deleted": "text"}, "no number in 'deleted'"),
        ({"id": "x", "deleted": True}, "no number in 'deleted'"),
    ],
)
def test_missing_members_of_a_deletion_are_named(platform: Platform, keep: Keep, deletion: Any, message: str) -> None:
    platform.events = [EVENT]
    store = keep()
    monitor_of(store).sync()
    platform.deletions = [deletion]
    with pytest.raises(PryvProtocolError, match=message):
        monitor_of(store).sync()
    platform.deletions = []
    assert monitor_of(store).sync().events == 0


@pytest.mark.parametrize("deletion", [{"id": "x"}, {"id": "x", "deleted": None}, {"id": "x", "time": 1.5}])
def test_a_deletion_without_its_time_is_delivered_once(platform: Platform, keep: Keep, deletion: Any) -> None:
    platform.events = [EVENT]
    store = keep()
    monitor_of(store).sync()
    platform.events, platform.deletions = [], [deletion]
    delivered: list[Any] = []
    for _ in range(3):
        monitor_of(store).on("eventDelete", delivered.append).sync()
    assert delivered == [deletion]
    if "mirror" in store:
        assert list(store["mirror"].events({"state": "all"})) == []
        assert list(store["mirror"].events({"modifiedSince": 0, "includeDeletions": True})) == [deletion]


@pytest.mark.parametrize("value", [None, False, 5.0, "text"])
def test_an_event_with_a_field_named_deleted_is_an_event(platform: Platform, keep: Keep, value: Any) -> None:
    event = {**EVENT, "deleted": value}
    platform.events = [event]
    store = keep()
    delivered: list[Any] = []
    monitor_of(store).on("event", delivered.append).sync()
    platform.changed = [{**event, "content": "changed"}]
    monitor_of(store).on("event", delivered.append).sync()
    assert delivered == [event, *platform.changed]


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {},
        "tree",
        [None],
        ["d"],
        [{"name": "D"}],
        [{"id": 1}],
        [{"id": "d", "children": None}],
        [{"id": "d", "parentId": 5}],
    ],
)
def test_an_invalid_tree_is_refused(platform: Platform, keep: Keep, tree: Any) -> None:
    platform.streams = tree
    with pytest.raises(PryvProtocolError, match="GET streams"):
        monitor_of(keep()).sync()


@pytest.mark.parametrize("event", [without("modified"), {**EVENT, "modified": None}], ids=["absent", "null"])
def test_an_event_without_a_time_of_change_is_delivered_when_it_changed(
    event: dict[str, Any], platform: Platform, keep: Keep
) -> None:
    platform.events, platform.changed = [event], [event]
    delivered: list[Any] = []
    store = keep()
    for content in ("c", "c", "d", "d", "c"):
        changed = {**event, "content": content}
        platform.events, platform.changed = [changed], [changed]
        monitor_of(store).on("event", lambda event: delivered.append(event["content"])).sync()
    assert delivered == ["c", "d", "c"]


def test_a_started_monitor_retries_after_an_invalid_response(platform: Platform, keep: Keep) -> None:
    monitor = monitor_of(keep()).start()
    errors: list[Exception] = []
    delivered: list[Any] = []

    def repair(error: Exception) -> None:
        errors.append(error)
        platform.changed = [EVENT]

    monitor.on("error", repair).on("event", delivered.append)
    platform.changed = [without("time")]
    monitor.update_events()
    while not delivered:
        monitor.update_events()
    monitor.stop()
    assert [type(error) for error in errors] == [PryvProtocolError]
    assert delivered == [EVENT]


@given(
    place=st.sampled_from(["events", "changed", "deletions", "streams"]),
    member=st.sampled_from([*EVENT, "deleted", "name", "children", "parentId", "trashed"]),
    value=st.sampled_from([None, True, 0, -1, 10**30, 1e300, "", "text", [], {}, [None], [[]], {"a": []}]),
    whole=st.booleans(),
)
def test_odd_members_are_refused_or_stored_unchanged(
    platform: Platform, keep: Keep, place: str, member: str, value: Any, whole: bool
) -> None:
    base = {"id": "d", "name": "D"} if place == "streams" else EVENT
    platform.events, platform.changed, platform.deletions, platform.streams = [], [], [], TREE
    setattr(platform, place, value if whole else [{**base, member: value}])
    store = keep()
    try:
        report = monitor_of(store).sync()
    except (PryvProtocolError, PryvStreamError):
        return
    kept = store.get("mirror")
    if isinstance(kept, SQLiteMirror):
        assert len(list(kept.events({"state": "all"}))) == report.events - report.event_deletions
        assert len(kept.streams()) == len(platform.streams)
