"""Whatever a platform sends over its socket: a right result, one of the documented exceptions, or ignored."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pryv import PryvError
from pryv_socket_io import Notification, SocketIO
from pryv_socket_io._notifications import CHANGES, parse_notification
from pryv_socket_io._packets import MalformedPacketError, check_engine_packet, packet_parser

from .hostile import OPENING, USERNAME, Peer, frame, platform

CALL = [{"method": "events.get", "params": {}}]
SCOPE = {"diary": {"kind": "events", "query": {}}}
ERROR = {"error": {"id": "invalid-parameters-format", "message": "No.", "data": [{"message": "x", "path": "y"}]}}
ACCESS_UPDATED = {"type": "access-updated", "accessId": "a1:1", "serial": 1}

MESSAGES: dict[str, tuple[str, Any]] = {
    "opening": ("0", OPENING),
    "entry": (f"40/{USERNAME},", {"sid": "s2"}),
    "coarse": (f"42/{USERNAME},", ["eventsChanged"]),
    "accessUpdated": (f"42/{USERNAME},", ["accessUpdated", ACCESS_UPDATED]),
    "notificationsChanged": (f"42/{USERNAME},", ["notificationsChanged", {"keys": ["diary"]}]),
    "callBatch": (f"43/{USERNAME},1", [None, {"results": [{"events": []}], "meta": {}}]),
    "subscribe": (f"43/{USERNAME},2", [None, {"ok": True, "keys": ["diary"]}]),
    "getSubscriptions": (f"43/{USERNAME},3", [None, {"scopes": SCOPE}]),
    "error": (f"43/{USERNAME},4", [ERROR]),
    "refusal": (f"44/{USERNAME},", {"message": "Access has expired.", "data": None}),
}
"""A conversation: how its messages begin, and their data."""

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The path to each part of a value."""
    yield ()
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from ((key, *rest) for rest in places(item))


@st.composite
def mutations(draw: st.DrawFn, value: Any) -> Any:
    """The value with one of its parts taken out, or another in its place."""
    path = draw(st.sampled_from(list(places(value))))
    if not path:
        return draw(values)
    mutated = copy.deepcopy(value)
    part = mutated
    for key in path[:-1]:
        part = part[key]
    if draw(st.booleans()):
        del part[path[-1]]
    else:
        part[path[-1]] = draw(values)
    return mutated


@st.composite
def spoiled(draw: st.DrawFn, text: str) -> str:
    """The text with some of it in another's place."""
    begin = draw(st.integers(0, len(text)))
    end = draw(st.integers(begin, min(len(text), begin + 4)))
    return text[:begin] + draw(st.text(max_size=4) | st.sampled_from("0123456789,/[]{}-b")) + text[end:]


@st.composite
def attacks(draw: st.DrawFn) -> tuple[str, bytes]:
    """Which message of the conversation is another, and the frame that comes instead."""
    name = draw(st.sampled_from(list(MESSAGES)))
    begin, data = MESSAGES[name]
    message = draw(
        mutations(data).map(lambda value: begin + json.dumps(value))
        | spoiled(begin).map(lambda begin: begin + json.dumps(data))
        | spoiled(begin + json.dumps(data))
        | st.text(max_size=10)
    )
    return name, frame(message.encode("utf-8", "surrogatepass"), draw(st.sampled_from((1, 1, 1, 1, 1, 2, 8, 9, 0, 11))))


def follow(attack: tuple[str, bytes], peer: Peer) -> None:
    """The platform's part of the conversation; it leaves after what may get no answer."""
    name, instead = attack

    def say(one: str) -> bool:
        begin, data = MESSAGES[one]
        peer.send(instead if one == name else begin + json.dumps(data))
        return one != name

    for one in ("opening", "refusal" if name == "refusal" else "entry"):
        if not say(one):
            peer.sock.settimeout(0.05)
        if one == "opening":
            peer.receive()
    calls = peer.calls()
    for answer in ("callBatch", "subscribe", "getSubscriptions", "error"):
        if not next(calls, None):
            return
        if answer == "callBatch":
            for one in ("coarse", "accessUpdated", "notificationsChanged"):
                say(one)
        if not say(answer):
            return


def converse(attack: tuple[str, bytes]) -> None:
    """Lead the conversation, and see that what it gives is of the form documented."""
    with platform(partial(follow, attack)) as connection, SocketIO(connection, reconnect=None) as sio:
        for result in sio.api(CALL, timeout=5):
            assert isinstance(result, dict)
        assert isinstance(sio.subscribe(SCOPE, timeout=5)["ok"], bool)
        assert all(isinstance(scope, dict) for scope in sio.get_subscriptions(timeout=5)["scopes"].values())
        with pytest.raises(PryvError):
            sio.unsubscribe(timeout=5)
        for notification in sio.notifications(timeout=5):
            assert_documented(notification)


def assert_documented(notification: Notification) -> None:
    payload = notification.payload
    if notification.name == "accessUpdated":
        assert isinstance(payload["accessId"], str)
    elif notification.name == "notificationsChanged":
        assert all(isinstance(key, str) for key in payload["keys"])
    else:
        assert payload is None or notification.name in ("disconnect", "reconnect", "error")


@settings(max_examples=300)
@given(attacks())
def test_a_conversation_that_is_spoiled(attack: tuple[str, bytes]) -> None:
    with contextlib.suppress(PryvError):
        converse(attack)


@pytest.mark.long
@settings(max_examples=20_000)
@given(attacks())
def test_many_conversations_that_are_spoiled(attack: tuple[str, bytes]) -> None:
    with contextlib.suppress(PryvError):
        converse(attack)


@settings(max_examples=1000)
@given(attacks().map(lambda attack: attack[1][2:].decode("utf-8", "replace")))
@example(f'42/{USERNAME},["connect"]')
@example(f'42/{USERNAME},["disconnect","x"]')
@example("4" + "[" * 100_000)
@example(f"42/{USERNAME}," + "[" * 100_000)
@example(f"42/{USERNAME}," + "9" * 5000)
def test_a_packet_is_read_or_malformed(text: str) -> None:
    try:
        check_engine_packet(text)
        kind, namespace, number, data = packet_parser(f"/{USERNAME}")(text[1:])
    except MalformedPacketError:
        return
    assert namespace == f"/{USERNAME}"
    assert kind != 3 or isinstance(number, int)
    assert kind not in (2, 3) or isinstance(data, list)
    assert kind != 2 or (isinstance(data[0], str) and "connect" not in data[0])


@settings(max_examples=300)
@given(st.sampled_from(CHANGES), st.lists(values | mutations(ACCESS_UPDATED) | mutations({"keys": ["a"]}), max_size=2))
def test_a_notification_is_of_the_form_documented_or_ignored(name: str, arguments: list[Any]) -> None:
    notification = parse_notification(name, arguments)
    if notification is not None:
        assert_documented(notification)
