"""Events: making, changing, trashing and deleting them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox

from .caller import Caller


@pytest.fixture
def writer(owner: Caller) -> Caller:
    """An owner with two streams."""
    owner.add_streams("a", "b")
    return owner


@pytest.mark.parametrize(
    "event_id", ["a" + "b2" * 11 + "c", "c" + "x" * 24, "c" + "a-b" * 8], ids=["24", "older form", "dashes"]
)
def test_takes_an_id_of_the_clients_once(writer: Caller, event_id: str) -> None:
    assert writer.add_event("a", id=event_id)["id"] == event_id
    body = {"id": event_id, "streamIds": ["a"], "type": "note/txt"}
    again = writer.post("events", {**body, "content": "other"}, 409)["error"]
    assert (again["id"], again["data"]) == ("item-already-exists", {"id": event_id})
    assert writer.get(f"events/{event_id}")["event"]["content"] == "text"


@pytest.mark.parametrize("event_id", ["short", "A" * 24, "1" + "a" * 23, "a" * 25, ""])
def test_refuses_other_ids(writer: Caller, event_id: str) -> None:
    body = {"id": event_id, "streamIds": ["a"], "type": "note/txt", "content": ""}
    (problem,) = writer.post("events", body, 400)["error"]["data"]
    assert (problem["code"], problem["path"]) == ("PATTERN", "#/id")


@pytest.mark.parametrize(
    ("event_type", "right", "wrong"),
    [
        ("mass/kg", 70.5, "70.5"),
        ("mass/kg", 0, None),
        ("count/generic", 3, True),
        ("note/txt", "", 1),
        ("boolean/bool", False, 0),
        ("activity/plain", None, "something"),
        ("mood/rating", 0.5, 1.5),
        ("url/http", "https://example.org", "ftp://example.org"),
        ("position/wgs84", {"latitude": 1, "longitude": 2}, {"latitude": 1}),
        ("encrypted/aes-256-gcm", {"payload": "x", "keyRef": "", "hint": {"user": 1}}, {"payload": 1}),
        ("encrypted/aes-256-gcm", {"payload": "", "hint": None, "more": 1}, {"payload": "x", "keyRef": 1}),
        ("encrypted/ecies-aes-256-gcm", {"payload": "x", "hint": [1]}, {"keyRef": "k"}),
        ("encrypted/aes-text-base64", {"payload": "x", "hint": "y"}, {"payload": "x", "hint": {}}),
        ("blood-pressure/mmhg-bpm", {"systolic": 1, "diastolic": 2, "rate": 3}, {"systolic": "1", "diastolic": 2}),
    ],
)
def test_checks_the_content_of_known_types(writer: Caller, event_type: str, right: Any, wrong: Any) -> None:
    event = writer.add_event("a", type=event_type, content=right)
    assert event.get("content") == right
    body = {"streamIds": ["a"], "type": event_type, "content": wrong}
    refused = writer.post("events", body, 400)["error"]
    assert refused["message"] == "The event content's format is invalid."
    changed = writer.put(f"events/{event['id']}", {"content": wrong}, 400)
    assert changed["error"] == refused


def test_takes_any_content_for_other_types(writer: Caller) -> None:
    for content in ({"deep": [1, {"x": None}]}, [1, "two"], 'é\u0000☕ \U0001f600 ]}\\"', 1e300, -0.1, False):
        assert writer.add_event("a", type="my-own/type", content=content)["content"] == content


def test_numbers_are_as_exact_as_in_javascript(writer: Caller) -> None:
    event = writer.add_event("a", type="my-own/type", content=[2**53 - 1, 2**60 + 1, -(10**20)], time=10**20)
    assert event["content"] == [2**53 - 1, 1152921504606847000, -(10**20)]
    assert writer.get("events", fromTime=10**20, toTime=10**21)["events"] == [event]


def test_half_a_surrogate_pair_is_replaced(writer: Caller) -> None:
    body = rb'{"streamIds":["a"],"type":"note/txt","content":"\ud83d\ude00 \ud83d \\ud83d \udc00x"}'
    headers = {"Authorization": writer.token, "Content-Type": "application/json"}
    event = writer.call("POST", "events", 201, data=body, headers=headers)["event"]
    assert event["content"] == "\U0001f600 \ufffd \\ud83d \ufffdx"


def test_lists_every_problem_of_the_parameters(writer: Caller) -> None:
    body = {"content": 1, "extra": 1, "more": 2, "time": "now", "streamIds": []}
    problems = writer.post("events", body, 400)["error"]["data"]
    assert [(problem["code"], problem["path"]) for problem in problems] == [
        ("OBJECT_MISSING_REQUIRED_PROPERTY", "#/"),
        ("OBJECT_ADDITIONAL_PROPERTIES", "#"),
        ("OBJECT_ADDITIONAL_PROPERTIES", "#"),
        ("INVALID_TYPE", "#/time"),
        ("ARRAY_LENGTH_SHORT", "#/streamIds"),
    ]


@pytest.mark.parametrize("body", [b"{", b"[1", b'{"a": NaN}', b'{"a": 1e999}', b"\xff", b'"text"', b"1", b"null"])
def test_refuses_what_is_no_json_object_or_array(writer: Caller, body: bytes) -> None:
    headers = {"Authorization": writer.token, "Content-Type": "application/json"}
    error = writer.call("POST", "events", 400, data=body, headers=headers)["error"]
    assert error["id"] == "invalid-request-structure"


def test_refuses_a_body_of_more_than_ten_megabytes(writer: Caller) -> None:
    body = {"streamIds": ["a"], "type": "note/html", "content": "x"}
    accepted = {**body, "type": "my/text", "content": "x" * (10 * 1024 * 1024 - 200)}
    writer.post("events", accepted)
    writer.post("events", {**accepted, "content": "x" * (10 * 1024 * 1024)}, 400)


def test_names_every_unknown_stream_and_counts_none_twice(writer: Caller) -> None:
    body = {"streamIds": ["x", "a", "y", "x"], "type": "note/txt", "content": ""}
    assert writer.post("events", body, 400)["error"]["data"] == {"streamIds": ["x", "y"]}
    assert writer.add_event("a", "b", "a")["streamIds"] == ["a", "b"]


def test_changes_only_what_is_given(writer: Caller) -> None:
    event = writer.add_event("a", time=10, duration=5, description="d", clientData={"x": 1, "y": 2})
    update = {"content": "new", "streamIds": ["b"], "duration": None, "clientData": {"x": None, "z": 3}}
    changed = writer.put(f"events/{event['id']}", {**update, "description": None})["event"]
    assert changed == writer.get(f"events/{event['id']}")["event"]
    assert {key: changed.get(key) for key in ("time", "duration", "content", "streamIds", "clientData")} == {
        "time": 10, "duration": None, "content": "new", "streamIds": ["b"], "clientData": {"y": 2, "z": 3},
    }  # fmt: skip
    assert "duration" in changed
    assert "description" not in changed
    assert changed["modified"] > event["modified"]
    assert changed["integrity"] != event["integrity"]


def test_no_duration_and_none_at_all_are_the_same(writer: Caller) -> None:
    assert "duration" not in writer.add_event("a", duration=0)


@pytest.mark.parametrize("field", ["id", "created", "createdBy", "modified", "modifiedBy", "integrity"])
def test_protects_what_is_not_the_callers(writer: Caller, field: str) -> None:
    event = writer.add_event("a")
    assert writer.put(f"events/{event['id']}", {field: event[field]}, 403)["error"]["id"] == "forbidden"


def test_keeps_the_former_versions(writer: Caller) -> None:
    event = writer.add_event("a", content="1")
    for content in ("2", "3"):
        writer.put(f"events/{event['id']}", {"content": content})
    found = writer.get(f"events/{event['id']}", includeHistory="true")
    assert [version["content"] for version in [*found["history"], found["event"]]] == ["1", "2", "3"]


def test_trashes_then_deletes_then_fails(writer: Caller) -> None:
    event = writer.add_event("a")
    place = f"events/{event['id']}"
    trashed = writer.delete(place)["event"]
    assert trashed["trashed"] is True
    assert "trashed" not in writer.put(place, {"trashed": False})["event"]
    writer.delete(place)
    assert writer.delete(place)["eventDeletion"] == {"id": event["id"]}
    assert set(writer.get(place)["event"]) == {"id", "deleted"}
    assert writer.get(place, includeHistory="true")["history"] == []
    assert writer.delete(place, 500)["error"]["id"] == "unexpected-error"
    body = {"id": event["id"], "streamIds": ["a"], "type": "note/txt", "content": ""}
    assert writer.post("events", body, 409)["error"]["id"] == "item-already-exists"


def test_notes_who_wrote_and_for_whom(writer: Caller) -> None:
    headers = {"Authorization": f"{writer.token} some-caller"}
    body = {"streamIds": ["a"], "type": "note/txt", "content": ""}
    event = writer.call("POST", "events", 201, headers=headers, json=body)["event"]
    assert event["createdBy"] == f"{writer.get('access-info')['id']} some-caller"


def test_knows_no_other_paths(writer: Caller) -> None:
    assert writer.get("nothing/here", 404)["error"]["id"] == "unknown-resource"
    for path in ("events/start", "events/stop"):
        assert writer.post(path, {}, 410)["error"]["id"] == "removed-method"


def test_answers_other_origins(writer: Caller) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,x-own",
    }
    preflight = requests.options(f"{writer.url}{writer.username}/events", headers=asked, timeout=5)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert preflight.headers["Access-Control-Allow-Headers"] == "authorization,x-own"


def test_ids_do_not_repeat_where_random_is_seeded(writer: Caller) -> None:
    state = random.getstate()
    try:
        ids = set()
        for _ in range(2):
            random.seed(0)
            ids.add(writer.add_event("a")["id"])
    finally:
        random.setstate(state)
    assert len(ids) == 2


class TestWithoutNullCharacters:
    """What a platform on PostgreSQL makes of a text with U+0000."""

    @pytest.fixture
    def writer(self) -> Iterator[Caller]:
        with Sandbox(null_characters=False) as sandbox:
            owner = Caller.of(sandbox)
            owner.add_streams("a")
            yield owner

    def test_an_item_with_one_is_an_error(self, writer: Caller) -> None:
        kept = writer.add_event("a")
        for refused in ({"content": "\0"}, {"description": "a\0b"}, {"clientData": {"k": ["\0"]}}, {"content": "\\\0"}):
            writer.add_event("a", expect=500, **refused)
            assert writer.put(f"events/{kept['id']}", refused, 500)["error"]["id"] == "unexpected-error"
        assert writer.post("streams", {"name": "a\0b"}, 500)["error"]["id"] == "unexpected-error"
        assert writer.put("profile/private", {"k": "\0"}, 500)["error"]["id"] == "unexpected-error"
        assert writer.get("events", streams="a")["events"] == [kept]

    def test_the_other_calls_of_a_batch_are_carried_out(self, writer: Caller) -> None:
        event = {"streamIds": ["a"], "type": "note/txt"}
        calls = [("events.create", {**event, "content": content}) for content in ("1", "\0", "2")]
        first, second, third = writer.batch(*calls)
        assert second["error"]["id"] == "unexpected-error"
        assert writer.get("events", streams="a", sortAscending=True)["events"] == [first["event"], third["event"]]

    def test_what_only_looks_like_one_is_kept(self, writer: Caller) -> None:
        for content in ("\\u0000", "\\\\u0000", "u0000", "\u0001"):
            assert writer.add_event("a", content=content)["content"] == content
