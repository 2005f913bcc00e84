"""Series of points."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_sandbox import Sandbox

from .caller import Caller


@pytest.fixture
def writer(owner: Caller) -> Caller:
    """An owner with a stream."""
    owner.add_streams("a")
    return owner


def make_series(writer: Caller, event_type: str = "series:mass/kg", time: float = 1000) -> str:
    event_id: str = writer.post("events", {"streamIds": ["a"], "type": event_type, "time": time})["event"]["id"]
    return event_id


def flat(fields: list[str], *points: list[Any]) -> dict[str, Any]:
    return {"format": "flatJSON", "fields": fields, "points": list(points)}


def test_gives_points_by_time_and_in_a_range(writer: Caller) -> None:
    place = f"events/{make_series(writer)}/series"
    assert writer.get(place)["points"] == []
    writer.post(place, flat(["value", "deltaTime"], [3, 2], [1, 0], [2.5, 1.5]), 200)
    assert writer.get(place)["points"] == [[0, 1], [1.5, 2.5], [2, 3]]
    assert writer.get(place, fromDeltaTime=1.5, toDeltaTime=2)["points"] == [[1.5, 2.5]]
    assert writer.get(place, fromDeltaTime=0, toDeltaTime=0)["points"] == writer.get(place)["points"]
    writer.get(place, 400, fromDeltaTime=2, toDeltaTime=1)


def test_a_point_at_the_same_time_replaces_the_earlier_one(writer: Caller) -> None:
    place = f"events/{make_series(writer)}/series"
    for value in (1, 2):
        writer.post(place, flat(["deltaTime", "value"], [5, value]), 200)
    assert writer.get(place)["points"] == [[5, 2]]


def test_takes_times_of_day_and_numbers_as_text(writer: Caller) -> None:
    place = f"events/{make_series(writer, time=1000)}/series"
    writer.post(place, flat(["timestamp", "value"], [1002, "7.5"]), 200)
    assert writer.get(place)["points"] == [[2, 7.5]]
    writer.post(place, flat(["timestamp", "value"], [999, 1]), 400)


def test_points_change_the_event_later(writer: Caller, sandbox: Sandbox) -> None:
    place = f"events/{make_series(writer)}"
    before = writer.get(place)["event"]
    written = writer.post(f"{place}/series", flat(["deltaTime", "value"], [9, 1], [4, 1]), 200)["meta"]["serverTime"]
    sandbox.faults.skew = 9
    assert writer.get(place)["event"] == before
    assert "duration" not in before
    sandbox.faults.skew = 11
    after = writer.get(place)["event"]
    assert after["duration"] == 9e9  # in nanoseconds, a fault of the real platform
    assert before["modified"] < after["modified"] <= written
    assert after["modifiedBy"] == writer.token  # another one
    assert after["integrity"] != before["integrity"]
    writer.post(f"{place}/series", flat(["deltaTime", "value"], [2, 1]), 200)
    sandbox.faults.skew = 30
    assert writer.get(place)["event"] == after  # it does not end later


def test_points_without_a_pause_change_the_event_after_five_minutes(writer: Caller, sandbox: Sandbox) -> None:
    place = f"events/{make_series(writer)}"
    for second in range(0, 305, 5):
        sandbox.faults.skew = second
        writer.post(f"{place}/series", flat(["deltaTime", "value"], [second, 1]), 200)
        assert ("duration" in writer.get(place)["event"]) == (second >= 300)


def test_a_series_that_is_deleted_is_not_changed(writer: Caller, sandbox: Sandbox) -> None:
    place = f"events/{make_series(writer)}"
    writer.post(f"{place}/series", flat(["deltaTime", "value"], [9, 1]), 200)
    for _ in range(2):
        writer.delete(place)
    sandbox.faults.skew = 11
    assert set(writer.get(place)["event"]) == {"id", "deleted"}


def test_the_points_of_a_deleted_series(writer: Caller) -> None:
    place = f"events/{make_series(writer)}"
    points = flat(["deltaTime", "value"], [9, 1])
    writer.delete(place)
    assert writer.get(f"{place}/series")["points"] == []
    writer.post(f"{place}/series", points, 400)
    writer.delete(place)
    writer.get(f"{place}/series", 500)
    writer.post(f"{place}/series", points, 500)


def test_optional_fields_may_be_left_out_or_empty(writer: Caller) -> None:
    place = f"events/{make_series(writer, 'series:position/wgs84')}/series"
    writer.post(place, flat(["deltaTime", "longitude", "latitude"], [0, 1, 2]), 200)
    writer.post(place, flat(["deltaTime", "latitude", "longitude", "speed"], [1, 2, 1, 9], [2, 2, 1, None]), 200)
    found = writer.get(place)
    assert found["fields"] == ["deltaTime", "latitude", "longitude"]
    assert found["points"] == [[0, 2, 1], [1, 2, 1], [2, 2, 1]]
    found = writer.get(place, fromDeltaTime=1)
    assert found["fields"] == ["deltaTime", "speed", "latitude", "longitude"]
    assert found["points"] == [[1, 9, 2, 1], [2, None, 2, 1]]


def test_truth_may_be_text(writer: Caller) -> None:
    place = f"events/{make_series(writer, 'series:boolean/bool')}/series"
    writer.post(place, flat(["deltaTime", "value"], [0, True], [1, "false"]), 200)
    writer.post(place, flat(["deltaTime", "value"], [2, "no"]), 400)
    assert writer.get(place)["points"] == [[0, True], [1, False]]


@pytest.mark.parametrize(
    "points",
    [
        flat(["deltaTime"], [1]),
        flat(["deltaTime", "value", "value"], [1, 2, 3]),
        flat(["deltaTime", "other"], [1, 2]),
        flat(["deltaTime", "value"], [1, None]),
        flat(["deltaTime", "value"], [1, True]),
        flat(["deltaTime", "value"], [1, "-2"]),
        flat(["deltaTime", "value"], [-1, 2]),
        flat(["deltaTime", "value"], [1, 2, 3]),
        {**flat(["deltaTime", "value"]), "points": 1},
        {**flat(["deltaTime", "value"]), "fields": "value"},
        {"format": "other"},
        [],
    ],
)
def test_refuses_points_the_type_does_not_have(writer: Caller, points: Any) -> None:
    place = f"events/{make_series(writer)}/series"
    assert writer.post(place, points, 400)["error"]["id"] == "invalid-request-structure"
    assert writer.get(place)["points"] == []


def test_a_batch_is_taken_whole_or_not_at_all(writer: Caller) -> None:
    first, second = make_series(writer), make_series(writer)
    fine, wrong = flat(["deltaTime", "value"], [1, 1]), flat(["deltaTime", "other"], [1, 1])

    def batch(*elements: tuple[str, Any]) -> dict[str, Any]:
        data = [{"eventId": event_id, "data": points} for event_id, points in elements]
        return {"format": "seriesBatch", "data": data}

    writer.post("series/batch", batch((first, fine), (second, wrong)), 500)
    writer.post("series/batch", batch((first, fine), ("unknown", fine)), 404)
    assert writer.get(f"events/{first}/series")["points"] == []
    writer.post("series/batch", batch((first, fine), (second, fine)), 200)
    assert writer.get(f"events/{second}/series")["points"] == [[1, 1]]


def test_permissions_hold_for_points(writer: Caller) -> None:
    place = f"events/{make_series(writer)}/series"
    points = flat(["deltaTime", "value"], [1, 1])
    reader, dropbox = writer.grant(a="read"), writer.grant(a="create-only")
    reader.post(place, points, 403)
    dropbox.post(place, points, 200)
    dropbox.get(place, 403)
    assert reader.get(place)["points"] == [[1, 1]]


def test_other_events_have_no_points(writer: Caller) -> None:
    event = writer.add_event("a")
    assert writer.get(f"events/{event['id']}/series")["points"] == []
    writer.post(f"events/{event['id']}/series", flat(["deltaTime", "value"], [1, 1]), 400)
    body = {"streamIds": ["a"], "type": "series:mass/kg", "content": {"own": 1}}
    writer.post("events", body, 400)
    series = make_series(writer)
    assert writer.put(f"events/{series}", {"type": "mass/kg"}, 400)["error"]["id"] == "invalid-operation"
    writer.delete(f"events/{series}")
    writer.post(f"events/{series}/series", flat(["deltaTime", "value"], [1, 1]), 400)
