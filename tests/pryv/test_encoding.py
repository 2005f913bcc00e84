"""Data to send: JSON, aware datetimes, numbers of NumPy and pandas; the error for any other value contains its path."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pryv.wire import Reply, Wire, error_reply, reply

from pryv import Call, Connection, PryvError, Series, Service
from pryv.addons import plain

if TYPE_CHECKING:
    from tests.accounts import Account

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)

TAKEN: list[tuple[Any, Any]] = [
    (NOON, 1767268800.0),
    (NOON.astimezone(timezone(timedelta(hours=-9, minutes=-30))), 1767268800.0),
    (NOON.replace(microsecond=250_000), 1767268800.25),
    (pd.Timestamp("2026-01-01T13:00", tz="Europe/Zurich"), 1767268800.0),
    (np.int64(-5), -5),
    (np.uint8(5), 5),
    (np.float16(1.5), 1.5),
    (np.float32(1.5), 1.5),
    (np.float64(1.5), 1.5),
    (np.longdouble(1.5), 1.5),
    (np.bool_(True), True),
    (np.str_("é"), "é"),
    (np.array(7), 7),
    (pd.Series([61, 62]).iloc[1], 62),
    (pd.array([1, None], dtype="Int64")[0], 1),
    ((1, (2,)), [1, [2]]),
    (MappingProxyType({"a": NOON}), {"a": 1767268800.0}),
]

REFUSED: list[tuple[Any, str]] = [
    (datetime(2026, 1, 1), "time zone"),
    (pd.Timestamp("2026-01-01"), "time zone"),
    (pd.NaT, "NaT is not"),
    (pd.NA, "NAType"),
    (math.nan, "nan"),
    (-math.inf, "-inf"),
    (np.float64("nan"), "nan"),
    (np.float32("inf"), "inf"),
    (np.longdouble("nan"), "nan"),
    (np.datetime64("2026-01-01"), "datetime64"),
    (np.datetime64("NaT"), "datetime64"),
    (np.timedelta64(1, "s"), "timedelta64"),
    (np.complex64(1), "complex64"),
    (np.bytes_(b"x"), "bytes_"),
    (np.array([1]), "ndarray"),
    (pd.Series([1]), "Series"),
    (Decimal(1), "Decimal"),
    (date(2026, 1, 1), "date"),
    (timedelta(1), "timedelta"),
    (1j, "complex"),
    (b"x", "bytes"),
    ({1}, "set"),
    (object(), "object"),
    ({(1, 2): 1}, "key"),
    ("\ud800", "surrogate"),
    ({"\udfff": 1}, "key"),
    (10**5000, "digits"),
]

NAMES = st.text(st.sampled_from("abcxyz"), min_size=1, max_size=3)
DATA = st.recursive(
    st.none() | st.integers() | st.text(st.characters(codec="utf-8")) | st.sampled_from([sent for sent, _ in TAKEN]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


def names(cases: list[tuple[Any, Any]]) -> list[str]:
    return [type(value).__name__ for value, _ in cases]


@pytest.mark.parametrize(("value", "expected"), TAKEN, ids=names(TAKEN))
def test_accepted_values(wire: Wire, connection: Connection, value: Any, expected: Any) -> None:
    event = {"time": value, "content": {"values": [value]}}
    wire.always = reply({"results": [{}], "event": {}})
    connection.api_one("events.create", event)
    connection.post("events", event)
    connection.put("events/a", event)
    connection.create_event_with_file_from_buffer(event, b"x", "x.txt")
    assert plain(event) == {"time": expected, "content": {"values": [expected]}}
    sent = [wire.requests[0].json()[0]["params"], *(request.json() for request in wire.requests[1:3])]
    assert sent == [plain(event)] * 3
    assert json.dumps(plain(event), separators=(",", ":"), ensure_ascii=False).encode() in wire.requests[3].body


@pytest.mark.parametrize(("value", "problem"), REFUSED, ids=names(REFUSED))
def test_refused_values_are_named_before_any_request(
    wire: Wire, connection: Connection, value: Any, problem: str
) -> None:
    event: dict[str, Any] = {"content": {"list": [0, {"value": value}]}}
    place = rf"content\.list\[1\]\.value: .*{problem}"
    refusals: list[tuple[str, Callable[[], Any]]] = [
        (f"call 0: {place}", lambda: connection.api_one("events.create", event)),
        (place, lambda: connection.post("events", event)),
        (f"call 1: {place}", lambda: connection.post("", [{"method": "a"}, {"method": "b", "params": event}])),
        (place, lambda: connection.put("events/a", event)),
        (place, lambda: connection.create_event_with_file_from_buffer(event, b"x", "x.txt")),
        (place, lambda: connection.update_access("a", event)),
        (rf"content\[0\]\.eq: .*{problem}", lambda: connection.iter_events({"content": [{"path": "$", "eq": value}]})),
        (rf"row 1: value: .*{problem}", lambda: connection.add_points_to_hf_event("e", ["value"], [[0], [value]])),
        (
            rf"event e2: row 0: value: .*{problem}",
            lambda: connection.add_points_batch(
                {"e1": Series(["value"], [[0]]), "e2": Series(["value"], [[value]])},
            ),
        ),
        (rf"values\[1\]: .*{problem}", lambda: connection.get_latest_by_content("$", [0, value])),
        (rf"content\.values\[0\]: .*{problem}", lambda: connection.get("events", {"content": {"values": [value]}})),
        (rf"streams\[0\]: .*{problem}", lambda: connection.delete("events/a", {"streams": [value]})),
        (place, lambda: plain(event)),
    ]
    for match, call in refusals:
        for kind in (TypeError, ValueError):
            with pytest.raises(kind, match=f"^{match.replace('update', 'call 0: update', 1)}"):
                call()
    assert wire.requests == []


def test_a_query_takes_the_values_that_an_event_takes(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"events": [], "fields": [], "points": []})
    params = {"fromTime": NOON, "toTime": np.int64(1767268801), "sortAscending": np.bool_(True), "limit": np.uint8(5)}
    list(connection.iter_events(params))
    connection.get("events", params)
    query = "fromTime=1767268800.0&toTime=1767268801&sortAscending=true&limit=5"
    connection.get_hf_points("e", from_delta_time=cast("float", np.float32(1.5)))
    targets = [request.target.partition("?")[2] for request in wire.requests]
    assert targets == [query, query, "fromDeltaTime=1.5"]
    for bound in (NOON, True, np.bool_(True), "1", [1]):
        with pytest.raises(TypeError, match="toDeltaTime is a number of seconds"):
            connection.get_hf_points("e", to_delta_time=cast("float", bound))
    for value, problem in ((pd.NaT, "NaT is not"), (datetime(2026, 1, 1), "time zone"), (math.nan, "nan")):
        with pytest.raises(ValueError, match=f"^fromTime: .*{problem}"):
            connection.iter_events({"fromTime": value})


def test_calls_of_a_service_take_the_same_values(wire: Wire) -> None:
    request = {"requestingAppId": "an-app", "requestedPermissions": [], "expireAfter": np.int64(60)}
    with Service(None, wire.service_info(), retry=None) as service:
        wire.always = error_reply(400, "x")
        with pytest.raises(PryvError):
            service.start_access_request(request)
        with pytest.raises(ValueError, match=r"^clientData\.at: .*time zone"):
            service.start_access_request({**request, "clientData": {"at": datetime(2026, 1, 1)}})
    assert [received.json()["expireAfter"] for received in wire.requests] == [60]


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("number", [0, 9, 10, 25])
def test_the_call_is_named_by_its_number_in_the_batch(wire: Wire, number: int, lazily: bool) -> None:
    calls = [Call("events.create", {"content": {"value": index}}) for index in range(26)]
    calls[number] = Call("events.create", {"content": {"value": math.nan}})
    wire.always = reply({"results": [{}] * 10})
    with wire.connection(chunk_size=10) as connection:
        with pytest.raises(ValueError, match=rf"^call {number}: content\.value: nan") as refused:
            connection.api(iter(calls) if lazily else calls)
        with pytest.raises(ValueError, match=rf"^call {number}: content\.value: nan"):
            list(connection.iter_api(iter(calls) if lazily else calls))
    received = number // 10 * 10 if lazily else 0
    assert len(refused.value.results) == received  # type: ignore[attr-defined]
    assert len(wire.requests) == received // 10 * 2


@pytest.mark.parametrize("number", [0, 12, 25])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "expected a pryv.Call or a dict, not NoneType"),
        ({"method": 5}, "the method is a string, not int"),
        ({"method": ""}, "there is no method"),
        ({"method": "a.get", "params": 5}, "the params of a.get are a dict, not int"),
        (Call("a.get", {}, cast("Any", 5)), "handle_result is not callable"),
        (Call("a.\ud800"), "method: a lone surrogate has no UTF-8 form"),
    ],
)
def test_a_malformed_call_is_named_by_its_number(wire: Wire, number: int, bad: Any, message: str) -> None:
    calls: list[Any] = [Call("a.get")] * 26
    calls[number] = bad
    with wire.connection(chunk_size=10) as connection, pytest.raises((TypeError, ValueError)) as refused:
        connection.api(calls)
    assert str(refused.value) == f"call {number}: {message}"
    assert wire.requests == []


@given(data=DATA, place=st.lists(NAMES | st.integers(0, 3), min_size=1, max_size=6), bad=st.sampled_from(REFUSED))
def test_a_value_is_named_at_any_depth(data: Any, place: list[str | int], bad: tuple[Any, str]) -> None:
    value = bad[0]
    for step in reversed(place):
        value = {"data": data, step: value} if isinstance(step, str) else [*[data] * step, value, data]
    with pytest.raises(ValueError, match=bad[1]) as refused:
        plain({"sent": value, "data": data})
    path = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in place)
    assert str(refused.value).startswith(f"sent{path}: ")


@given(data=DATA)
def test_plain_data_is_json(data: Any) -> None:
    assert json.loads(json.dumps(plain(data), allow_nan=False)) == plain(data) == plain(plain(data))


def test_endless_data_is_refused(connection: Connection) -> None:
    ring: dict[str, Any] = {}
    ring["ring"] = ring
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for endless in (ring, deep):
        with pytest.raises(ValueError, match=r"^call 1: content.* nested too deeply"):
            connection.api([Call("events.get"), Call("events.create", {"content": endless})])


def test_an_event_that_is_sent_again_is_recognized_by_its_json(wire: Wire, connection: Connection) -> None:
    event = {"id": "a", "time": NOON, "content": np.float32(1.5)}
    there = {"id": "a", "time": 1767268800, "content": 1.5}
    wire.replies.extend([Reply(b"", "reset"), error_reply(409, "item-already-exists"), reply({"event": there})])
    assert connection.post("events", event)["event"] == there
    taken = {"error": {"id": "item-already-exists", "message": "x"}}
    wire.replies.extend([Reply(b"", "reset"), reply({"results": [taken]}), reply({"results": [{"event": there}]})])
    assert connection.api_one("events.create", event) == {"event": there}


def test_neither_numpy_nor_pandas_is_needed_or_imported() -> None:
    program = (
        "import sys; sys.modules['numpy'] = sys.modules['pandas'] = None\n"
        "from datetime import datetime, timezone\n"
        "from decimal import Decimal\n"
        "import pryv\n"
        "from pryv.addons import plain\n"
        "print(plain({'time': datetime(2026, 1, 1, tzinfo=timezone.utc)}))\n"
        "try: plain({'content': Decimal(1)})\n"
        "except TypeError as error: print(error)\n"
        "connection = pryv.Connection('http://token@127.0.0.1:9/user/', retry=None)\n"
        "try: connection.add_points_to_hf_event('e', ['value'], [[float('nan')]])\n"
        "except ValueError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "{'time': 1767225600.0}",
        "content: a value of type Decimal has no JSON form",
        "row 0: value: nan has no JSON form",
    ]
    program = "import sys, pryv, pryv.addons; print({'numpy', 'pandas'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_a_platform_stores_the_encoded_values(module_account: Account) -> None:
    _, _, connection = module_account
    connection.post("streams", {"id": "encoded", "name": "Encoded"})
    frame = pd.DataFrame({"at": pd.to_datetime([0, 60], unit="s", utc=True), "pulse": [61, 62]})
    for row in frame.itertuples():
        event = {"streamIds": ["encoded"], "type": "frequency/bpm", "time": row.at, "content": row.pulse}
        connection.api_one("events.create", event)
    found = connection.iter_events({"streams": ["encoded"], "fromTime": frame["at"].iloc[1]})
    assert [(event["time"], event["content"]) for event in found] == [(60, 62)]


DECRYPTED: dict[str, Any] = {"type": "note/txt", "content": "x", "decryptedFrom": {"type": "encrypted/aes-256-gcm"}}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (DECRYPTED, ""),
        ({"decryptedFrom": None}, ""),
        ({"events": [{"id": "a"}, DECRYPTED]}, r"events\[1\]: "),
        ({"decryptedFrom": 1, "id": "a"}, ""),
    ],
)
def test_a_decrypted_event_is_refused_by_its_place(value: Any, place: str) -> None:
    with pytest.raises(ValueError, match=rf"^{place}a decrypted event would be stored in clear.* decryptedFrom$"):
        plain(value)


@given(st.text('\\"{,: ') | st.just('{"decryptedFrom":1}'))
def test_text_that_looks_like_a_decrypted_event_is_sent(text: str) -> None:
    for value in (
        f'{text}"decryptedFrom":',
        {f'{text}"decryptedFrom': 1},
        {f'decryptedFrom"{text}': 1},
        ["decryptedFrom"],
    ):
        assert plain(value) == value


def test_a_decrypted_event_is_refused_by_every_call(wire: Wire, connection: Connection) -> None:
    with pytest.raises(ValueError, match=r"^call 1: a decrypted event"):
        connection.api([Call("events.create", {"id": "a"}), Call("events.create", DECRYPTED)])
    for call in (
        lambda: connection.api_one("events.update", {"id": "a", "update": DECRYPTED}),
        lambda: connection.post("events", DECRYPTED),
        lambda: connection.put("events/a", DECRYPTED),
        lambda: connection.create_event_with_file_from_buffer(DECRYPTED, b"", "file"),
        lambda: connection.events.create(DECRYPTED),
        lambda: connection.events.create({**DECRYPTED, "id": "c" * 25}),
        lambda: connection.events.create_many([DECRYPTED]),
        lambda: connection.events.update("a", DECRYPTED),
    ):
        with pytest.raises(ValueError, match="a decrypted event"):
            call()
    assert wire.requests == []
