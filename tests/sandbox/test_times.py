"""The time of an event may be any finite number, and every such event is found again."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from pryv_sandbox import Sandbox

from .caller import Caller
from .raw_socket import RawSocket

LARGEST = sys.float_info.max
ALL: dict[str, Any] = {"fromTime": -LARGEST, "toTime": LARGEST, "sortAscending": True}
TIMES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**308), 10**308)
ODD_TIMES = [-LARGEST, -1e300, -(2**63) - 1, -1e15, -0.5, 0, 5e-324, 1e15, 1.7e18, 2**63, 2**64, 1e21, 1e300, LARGEST]


@pytest.fixture
def writer(owner: Caller) -> Caller:
    owner.add_streams("a")
    return owner


def event(time: float, **fields: Any) -> dict[str, Any]:
    return {"streamIds": ["a"], "type": "note/txt", "content": "x", "time": time, **fields}


@given(time=TIMES)
def test_any_finite_number_is_a_time(module_writer: Caller, time: float) -> None:
    created = module_writer.post("events", event(time))["event"]
    assert float(created["time"]) == float(time)
    found = module_writer.get("events", fromTime=time, toTime=LARGEST, limit=1, sortAscending=True)
    (first,) = found["events"]
    assert float(first["time"]) == float(time)


@pytest.fixture(scope="module")
def module_writer(pryv_sandbox: Sandbox) -> Caller:
    owner = Caller.of(pryv_sandbox)
    owner.add_streams("a")
    return owner


def test_every_time_is_between_the_widest_bounds(writer: Caller, pryv_sandbox: Sandbox) -> None:
    with RawSocket(pryv_sandbox, writer.username, writer.token) as raw:
        raw.connect()
        for number, time in enumerate(ODD_TIMES):
            if number % 2:
                writer.post("events", event(time))
            else:
                ((error, _), _) = raw.call("events.create", event(time))
                assert error is None
        ((error, by_socket), _) = raw.call("events.get", {**ALL, "streams": ["a"]})
    assert error is None
    found = writer.get("events", streams="a", **ALL)["events"]
    assert [float(item["time"]) for item in found] == [float(time) for time in ODD_TIMES]
    (in_batch,) = writer.batch(("events.get", {**ALL, "streams": ["a"]}))
    assert by_socket["events"] == in_batch["events"] == found


def test_bounds_may_be_integers_of_any_size(writer: Caller) -> None:
    created = [writer.post("events", event(time))["event"] for time in (-(10**19), 0, 10**19)]
    bounds = {
        "streams": ["a"],
        "fromTime": -(10**20),
        "toTime": 10**20,
        "modifiedSince": -(10**19),
        "sortAscending": True,
    }
    calls = [("events.get", {**bounds, "limit": 10**20}), ("streams.get", {"includeDeletionsSince": -(10**19)})]
    events, streams = writer.batch(*calls)
    assert events["events"] == created
    assert streams["streamDeletions"] == []


def test_a_long_event_at_the_end_of_time_is_kept(writer: Caller) -> None:
    created = writer.post("events", event(LARGEST, duration=LARGEST))["event"]
    assert writer.get("events", fromTime=LARGEST, toTime=LARGEST)["events"] == [created]


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("5.0", "5"),
        ("-0.0", "0"),
        ("1e2", "100"),
        ("0.1", "0.1"),
        ("9007199254740993", "9007199254740992"),
        ("1152921504606846977", "1152921504606847000"),
        ("1e20", "100000000000000000000"),
        ("1000000000000000000000", "1e+21"),
        ("-1e300", "-1e+300"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(writer: Caller, sent: str, answered: str) -> None:
    body = json.dumps(event(0, type="my/number", content="CONTENT")).replace('"CONTENT"', sent)
    headers = {"Authorization": writer.token, "Content-Type": "application/json"}
    url = f"{writer.url}{writer.username}/events"
    answer = requests.post(url, data=body, headers=headers, timeout=5)
    assert f'"content":{answered},' in answer.text


def test_numbers_are_the_same_over_a_socket(writer: Caller, pryv_sandbox: Sandbox) -> None:
    with RawSocket(pryv_sandbox, writer.username, writer.token) as raw:
        raw.connect()
        ((_, result), _) = raw.call("events.create", event(2**63 + 1))
    assert result["event"]["time"] == 9223372036854776000


def test_a_frame_that_is_not_json_is_not_answered(writer: Caller, pryv_sandbox: Sandbox) -> None:
    with RawSocket(pryv_sandbox, writer.username, writer.token) as raw:
        raw.connect()
        for content in ("NaN", "1e999", "-Infinity"):
            raw.send(f'42/{writer.username},1["events.create",{{"streamIds":["a"],"type":"my/x","content":{content}}}]')
        assert raw.pending() == []
    assert writer.get("events", streams="a")["events"] == []
