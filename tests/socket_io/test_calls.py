"""Calls over a socket: as those over HTTP."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from tests.peers.network import Relay
from tests.waiting import wait_for, within

from pryv import (
    Call,
    Connection,
    PryvConnectionError,
    PryvProtocolError,
    PryvTimeoutError,
)
from pryv_socket_io import SocketIO

from .hostile import Peer, platform
from .sockets import DIARY, QUICK, cut_once_asked

ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
GET = {"method": "events.get", "params": {"streams": ["diary"]}}


def test_results_come_in_order_and_errors_stay_in_their_place(sio: SocketIO) -> None:
    results = sio.api([Call("events.create", DIARY), Call("nope"), GET])
    assert [set(result) & {"event", "error", "events"} for result in results] == [{"event"}, {"error"}, {"events"}]


def test_calls_go_in_chunks(connection: Connection) -> None:
    progress: list[tuple[int | None, int]] = []
    handled: list[Any] = []
    with (
        Connection(connection.api_endpoint, chunk_size=2) as small,
        SocketIO(small) as sio,
    ):
        calls = [Call("events.create", DIARY, lambda result, call: handled.append((result, call))) for _ in range(5)]
        results = sio.api(calls, lambda percent, results: progress.append((percent, len(results))))
        sio.api(iter(calls[:1]), lambda percent, results: progress.append((percent, len(results))))
    assert progress == [(40, 2), (80, 4), (100, 5), (None, 1)]
    assert handled[:5] == list(zip(results, calls, strict=True))


def test_a_batch_larger_than_a_message_is_sent_in_several(sio: SocketIO, connection: Connection) -> None:
    calls = [
        {"method": "events.create", "params": {**DIARY, "content": f"{number:04}" * 2500}} for number in range(250)
    ]
    results = sio.api(calls)
    assert [result["event"]["content"][:4] for result in results] == [f"{number:04}" for number in range(250)]
    assert sio.connected


def test_the_results_of_the_parts_of_a_chunk_are_kept(relayed: Connection, relay: Relay) -> None:
    calls = [{"method": "events.create", "params": {**DIARY, "content": "x" * 800_000}}] * 2
    with SocketIO(relayed, reconnect=None) as sio, pytest.raises(PryvConnectionError) as lost:
        sio.api(calls, lambda percent, results: cut_once_asked(relay))
    assert ["event" in result for result in lost.value.results] == [True]  # type: ignore[attr-defined]


def test_a_call_larger_than_a_message_is_refused_at_once(sio: SocketIO) -> None:
    with pytest.raises(ValueError, match=r"callBatch: .* Connection\.api"):
        sio.api([{"method": "events.create", "params": {**DIARY, "content": "x" * 1_000_000}}])
    assert "events" in sio.api([GET])[0]


@pytest.mark.parametrize(
    ("calls", "kind"),
    [
        ("events.get", TypeError),
        ([1], TypeError),
        ([{"params": {}}], ValueError),
        ([{"method": "events.get", "params": {"limit": float("nan")}}], ValueError),
        ([{"method": "events.get", "params": {"limit": b"1"}}], TypeError),
        ([{"method": "events.create", "params": {"content": ENDLESS}}], ValueError),
    ],
)
def test_invalid_calls_are_refused(sio: SocketIO, calls: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sio.api(calls)
    assert "events" in sio.api([GET])[0]


@pytest.mark.parametrize(
    "answer", ['["no"]', "[{}]", '[{"error":"no"}]', "[0]", "[[]]", "[]", "[null]", '[null,{"results":{}}]']
)
def test_an_acknowledgement_of_another_form_is_a_protocol_error(answer: str) -> None:
    def script(peer: Peer) -> None:
        peer.let_in()
        for number, _, _ in peer.calls():
            peer.send(f"43/alice,{number}{answer}")

    with platform(script) as connection, SocketIO(connection, reconnect=None) as sio:
        for call in (lambda: sio.api([GET]), sio.get_subscriptions, sio.unsubscribe, lambda: sio.subscribe({"a": {}})):
            with pytest.raises(PryvProtocolError):
                call()
        assert sio.connected


def test_no_calls_give_no_results(sio: SocketIO) -> None:
    assert sio.api([]) == []


def test_calls_from_several_threads_get_their_own_results(sio: SocketIO) -> None:
    answers: dict[int, Any] = {}

    def call(number: int) -> None:
        params = {**DIARY, "content": f"by {number}"}
        answers[number] = [sio.api([Call("events.create", params)])[0]["event"]["content"] for _ in range(20)]

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: [f"by {number}"] * 20 for number in range(8)}


def test_calls_wait_for_each_other(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=None) as sio:
        failures: list[PryvConnectionError] = []

        def call(timeout: float) -> None:
            try:
                sio.api([GET], timeout=timeout)
            except PryvConnectionError as error:
                failures.append(error)

        relay.frozen = True
        first, second = (threading.Thread(target=call, args=(timeout,)) for timeout in (20, 0.2))
        first.start()
        wait_for(lambda: relay.dropped)
        second.start()
        second.join()
        relay.cut()
        first.join()
    assert [(type(failure), failure.sent) for failure in failures] == [
        (PryvTimeoutError, False),
        (PryvConnectionError, True),
    ]


def test_a_socket_that_is_not_open_takes_no_calls(connection: Connection) -> None:
    sio = SocketIO(connection)
    for call in (lambda: sio.api([GET]), sio.get_subscriptions, sio.unsubscribe, lambda: sio.subscribe({"a": {}})):
        with pytest.raises(PryvConnectionError) as never_opened:
            call()
        assert not never_opened.value.sent
    sio.open()
    sio.close()
    with pytest.raises(PryvConnectionError, match="not connected") as closed:
        sio.api([GET])
    assert not closed.value.sent


def test_a_call_fails_at_once_when_its_connection_is_lost(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=None) as sio:
        sio.api([GET])
        cut_once_asked(relay)
        with within(10), pytest.raises(PryvConnectionError, match="lost") as lost:
            sio.api([GET])
        assert lost.value.sent
        assert lost.value.results == []  # type: ignore[attr-defined]
        with within(10), pytest.raises(PryvConnectionError, match="not connected"):
            sio.api([GET])


def test_the_results_received_before_a_loss_are_kept(relayed: Connection, relay: Relay) -> None:
    relayed.access_info()
    with Connection(relayed.api_endpoint, chunk_size=1) as small, SocketIO(small, reconnect=None) as sio:
        with pytest.raises(PryvConnectionError) as lost:
            sio.api([GET] * 3, lambda percent, results: cut_once_asked(relay))
        assert ["events" in result for result in lost.value.results] == [True]  # type: ignore[attr-defined]


def test_a_call_without_acknowledgement_is_a_timeout(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=QUICK) as sio:
        relay.frozen = True
        with within(10), pytest.raises(PryvTimeoutError, match="callBatch"):
            sio.api([GET], timeout=0.3)
        relay.frozen = False
        assert "events" in sio.api([GET])[0]


def test_datetimes_and_numbers_of_numpy_are_sent_as_over_http(sio: SocketIO) -> None:
    event = {**DIARY, "type": "count/generic", "time": datetime(2026, 1, 1, tzinfo=timezone.utc)}
    calls = [Call("events.create", {**event, "content": number}) for number in np.arange(3)]
    assert [result["event"]["content"] for result in sio.api(calls)] == [0, 1, 2]
    calls[2] = Call("events.create", {**event, "content": {"value": Decimal(1)}})
    with pytest.raises(TypeError, match=r"^call 2: content\.value: a value of type Decimal"):
        sio.api(calls)
    scopes = {"new": {"kind": "events", "query": {"streams": ["diary"], "fromTime": event["time"]}}}
    assert sio.subscribe(scopes)["ok"]


def test_a_call_cut_at_any_byte_of_its_acknowledgement(relayed: Connection, relay: Relay) -> None:
    relayed.access_info()
    with SocketIO(relayed) as sio:
        sio.api([GET])
    outcomes = []
    for relay.cut_after in range(400, 1200, 20):
        sio = SocketIO(relayed, reconnect=None)
        with within(5):
            try:
                sio.open()
                outcomes.append("events" in sio.api([GET])[0])
            except PryvConnectionError:
                outcomes.append(False)
            sio.close()
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {False, True}


def test_connected_is_false_after_a_lost_connection(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=None) as sio:
        relay.cut()
        wait_for(lambda: not sio.connected)
