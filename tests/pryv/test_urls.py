"""Paths and query parameters: they are encoded correctly, and no id changes the rest of the URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv import Connection
from pryv._transport.urls import path_segment

if TYPE_CHECKING:
    from tests.pryv.wire import Wire

ODD_IDS = [
    "a/b",
    "../../other",
    "..%2f..",
    "%2e%2e",
    "%252e%252e",
    "....",
    ".hidden",
    "a?b=c",
    "a#b",
    "a\r\nX-Injected: 1",
    "a\n",
    "a\0b",
    "a b",
    "a%",
    "%zz",
    "a;b",
    "a\\b",
    "//host/path",
    "http://host/",
    "@host",
    "a&b=c+d",
    "日本語",
    "e\u0301",
    "😀",
    ":_system:email",
]


@pytest.mark.parametrize("item_id", ODD_IDS)
def test_an_id_stays_one_segment(wire: Wire, connection: Connection, item_id: str) -> None:
    connection.get(f"events/{path_segment(item_id)}/series")
    (request,) = wire.requests
    prefix, user, events, segment, last = request.target.split("/")
    assert (prefix, user, events, last) == ("", "user", "events", "series")
    assert unquote(segment) == item_id
    assert "x-injected" not in request.headers


@given(st.text(min_size=1).filter(lambda text: text not in (".", "..") and not _has_surrogate(text)))
@settings(max_examples=60)
def test_any_id_stays_one_segment(wire: Wire, connection: Connection, item_id: str) -> None:
    connection.get(f"streams/{path_segment(item_id)}")
    target = wire.requests[-1].target
    assert target.startswith("/user/streams/")
    assert unquote(target.removeprefix("/user/streams/")) == item_id
    assert target.count("/") == 3


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


@pytest.mark.parametrize("item_id", ["", ".", "..", "\ud800"])
def test_ids_that_encoding_does_not_protect_are_refused(item_id: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (that it is refused is all that matters)
        path_segment(item_id)


@pytest.mark.parametrize("item_id", [None, 5, b"id", ["id"]])
def test_an_id_is_a_string(item_id: object) -> None:
    with pytest.raises(TypeError):
        path_segment(item_id)  # type: ignore[arg-type]


BAD_PATHS = [
    "..",
    "../other/events",
    "events/..",
    "events/../../other",
    "events/./x",
    "events/%2e%2e/x",
    "events/%2E./x",
    "events/.%2e",
    "events?limit=1",
    "events#x",
    "events\r\nX-Injected: 1",
    "events\n",
    "events\0",
    "events\x7f",
    "events\\..\\x",
    "events/\ud800",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("verb", ["get", "post", "put", "delete"])
def test_a_path_outside_of_the_endpoint_is_refused(wire: Wire, connection: Connection, verb: str, path: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (that it is refused is all that matters)
        getattr(connection, verb)(path)
    assert wire.requests == []


@pytest.mark.parametrize("path", [None, 5, b"events", ["events"]])
def test_a_path_is_a_string(connection: Connection, path: object) -> None:
    with pytest.raises(TypeError):
        connection.get(path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("events", "/user/events"),
        ("/events", "/user/events"),
        ("//host/events", "/user/host/events"),
        ("", "/user/"),
        ("events/a b", "/user/events/a%20b"),
        ("events/é", "/user/events/%C3%A9"),
        ("events/%2F", "/user/events/%2F"),
        ("http://host/events", "/user/http://host/events"),
    ],
)
def test_a_path_is_relative_to_the_endpoint(wire: Wire, connection: Connection, path: str, target: str) -> None:
    connection.get(path)
    (request,) = wire.requests
    assert request.target == target
    assert request.headers["host"] == wire.host


@pytest.mark.parametrize(
    ("params", "pairs"),
    [
        (None, []),
        ({}, []),
        ({"a": None}, []),
        ({"a": []}, []),
        ({"a": True, "b": False}, [("a", "true"), ("b", "false")]),
        ({"a": 1, "b": 1.5, "c": -1e15}, [("a", "1"), ("b", "1.5"), ("c", "-1000000000000000.0")]),
        ({"a": ""}, [("a", "")]),
        ({"streams": ["a", "b"]}, [("streams", "a"), ("streams", "b")]),
        ({"streams": ("a", None, 3)}, [("streams", "a"), ("streams", "3")]),
        ({"streams": [], "types": []}, [("streams", "[]")]),
        ({"streams": [None]}, [("streams", "[]")]),
        ({"streams": {"any": ["a"]}}, [("streams", '{"any":["a"]}')]),
        ({"streams": [{"any": ["é"]}, "b"]}, [("streams", '[{"any":["é"]},"b"]')]),
        ({"a&b": "c=d&e#f?g"}, [("a&b", "c=d&e#f?g")]),
        ({"a": "\r\nX-Injected: 1"}, [("a", "\r\nX-Injected: 1")]),
        ({"a": "日本 + %20"}, [("a", "日本 + %20")]),
    ],
)
def test_query_parameters_are_encoded(
    wire: Wire, connection: Connection, params: dict[str, Any] | None, pairs: list[tuple[str, str]]
) -> None:
    connection.get("events", params)
    (request,) = wire.requests
    path, _, query = request.target.partition("?")
    assert path == "/user/events"
    assert parse_qsl(query, keep_blank_values=True) == pairs


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ("limit=1", TypeError),
        (["limit"], TypeError),
        (5, TypeError),
        ({1: "a"}, TypeError),
        ({"a": b"bytes"}, TypeError),
        ({"a": object()}, TypeError),
        ({"a": {"b": object()}}, TypeError),
        ({"a": {1, 2}}, TypeError),
        ({"a": float("nan")}, ValueError),
        ({"a": [float("inf")]}, ValueError),
        ({"a": {"b": float("-inf")}}, ValueError),
        ({"a": "\ud800"}, ValueError),
        ({"\ud800": "a"}, ValueError),
        ({"a": ["\udfff"]}, ValueError),
    ],
)
def test_bad_query_parameters_are_refused_before_any_request(
    wire: Wire, connection: Connection, params: Any, error: type[Exception]
) -> None:
    for call in (connection.get, connection.delete):
        with pytest.raises(error):
            call("events", params)
    assert wire.requests == []
