"""Queries of all kinds, and events that they select in all ways."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pryv import Connection

START, HOUR = 1_600_000_000, 3600.0

PARENTS = {"a": None, "a1": "a", "a2": "a", "a21": "a2", "b": None, "b1": "b", "c": None}
IN_TRASH = ("a1", "b")
HELD = (["a"], ["a1"], ["a21"], ["b"], ["b1"], ["c"], ["a1", "b1"], ["a21", "c"], ["a", "b"], ["a2", "a1"], ["b", "c"])

VALUES: tuple[Any, ...] = (
    0,
    1,
    -1.5,
    "",
    "a",
    "ab",
    "1",
    True,
    False,
    None,
    [],
    {"x": 1},
    {"x": {"y": "ab"}},
    {"x": None},
)
VALUES = (*VALUES, [1, "ab"], [0, {"x": "ab"}], {"x": [True, "a"]}, {"x": {"0": 1}})
DURATIONS = (None, 0, 2.5 * HOUR, "running")


def fill(connection: Connection) -> list[dict[str, Any]]:
    """Creates events whose streams, types, contents and durations meet in all ways, and puts some into the trash."""
    for stream_id, parent_id in PARENTS.items():
        connection.api_one("streams.create", {"id": stream_id, "name": stream_id, "parentId": parent_id})
    calls = []
    for i in range(90):
        event: dict[str, Any] = {
            "streamIds": HELD[i % len(HELD)],
            "type": ("test/any", "test/other", "note/txt")[i % 3],
        }
        event |= {"time": START + i * HOUR, "content": "ab"[: i % 4] if i % 3 == 2 else VALUES[i % len(VALUES)]}
        if (duration := DURATIONS[i % len(DURATIONS)]) is not None:
            event["duration"] = None if duration == "running" else duration
        if i % 5 == 0:
            event["clientData"] = {"x": VALUES[i % 7]}
        calls.append({"method": "events.create", "params": event})
    events = [result["event"] for result in connection.api(calls)]
    for event in events[::7]:
        connection.delete(f"events/{event['id']}")
    for stream_id in IN_TRASH:
        connection.delete(f"streams/{stream_id}")
    return events


some_streams = st.lists(st.sampled_from((*PARENTS, "a!", "a1!")), min_size=1, max_size=3)
streams_queries = st.fixed_dictionaries({"any": some_streams}, optional={"all": some_streams, "not": some_streams})
streams_queries |= st.fixed_dictionaries({"any": st.just(["*"])}, optional={"not": some_streams})

paths = st.sampled_from(("$", "x", "x.y", "0", "-1", "1.x", "x.0", "y"))
numbers, texts = st.sampled_from((0, 1, -1.5, 0.5)), st.sampled_from(("a", "ab", "1"))
scalars = numbers | texts | st.booleans()


def condition(name: str, operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"path": paths, name: operands})


conditions = st.one_of(
    *(condition(name, scalars) for name in ("eq", "neq")),
    *(condition(name, numbers) for name in ("gt", "gte", "lt", "lte")),
    condition("in", st.lists(scalars, min_size=1, max_size=3)),
    condition("exists", st.booleans()),
    condition("prefix", texts),
)
times = st.builds(
    lambda hours, seconds: START + hours * HOUR + seconds, st.integers(-1, 91), st.sampled_from((0, -1, 1))
)

queries = st.fixed_dictionaries(
    {},
    optional={
        "streams": some_streams | streams_queries | st.lists(streams_queries, min_size=1, max_size=2),
        "types": st.lists(st.sampled_from(("test/any", "test/*", "note/txt", "none/none")), max_size=2),
        "fromTime": times,
        "toTime": times,
        "running": st.booleans(),
        "state": st.sampled_from(("default", "trashed", "all")),
        "sortAscending": st.booleans(),
        "content": st.lists(conditions, max_size=2),
        "clientData": st.lists(conditions, max_size=1),
    },
)


def ids(events: Any) -> list[str]:
    """Ids in order, without the fields of the account, which come with a personal token."""
    return [event["id"] for event in events if not event["id"].startswith(":")]
