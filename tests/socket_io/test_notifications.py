"""What is told, to whom, and in which order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.accounts import Account
from tests.peers.network import Relay
from tests.waiting import wait_for

from pryv import Connection, InvalidParametersError, PryvConnectionError, PryvError
from pryv_socket_io import Notification, SocketIO
from pryv_socket_io._notifications import Callbacks, Dispatcher, Inbox, parse_notification

from .sockets import DIARY, QUICK, Heard, socket_threads


def test_each_kind_of_change_is_notified(sio: SocketIO, connection: Connection) -> None:
    heard = Heard(sio)
    connection.post("events", DIARY)
    assert heard.wait("eventsChanged") == [None]
    connection.post("streams", {"id": "third", "name": "Third"})
    assert heard.wait("streamsChanged") == [None]
    access = connection.post("accesses", {"name": "A", "permissions": [{"streamId": "diary", "level": "read"}]})[
        "access"
    ]
    assert heard.wait("accessesChanged") == [None]
    connection.update_access(access["id"], {"name": "B"})
    assert [updated["serial"] for updated in heard.wait("accessUpdated")] == [1]


def test_the_connection_has_its_socket(connection: Connection) -> None:
    assert isinstance(connection.socket, SocketIO)
    assert connection.socket is connection.socket
    with connection.socket as sio:
        assert sio.connected
        assert repr(sio) == f"<SocketIO {connection.endpoint}>"
    assert not sio.connected
    assert "not connected" in repr(sio)


def test_type_checkers_know_the_socket_of_a_connection(connection: Connection) -> None:
    with pytest.raises(AttributeError):
        connection.socket.notification()  # type: ignore[attr-defined]


def test_unknown_names_are_refused(connection: Connection) -> None:
    sio = SocketIO(connection)
    for register in (sio.on, sio.off):
        with pytest.raises(ValueError, match="eventsChanged"):
            register("eventChanged", print)
    with pytest.raises(TypeError):
        sio.on("eventsChanged", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="coroutine"):
        sio.on("eventsChanged", AsyncMock())
    with pytest.raises(TypeError):
        SocketIO("https://token@host/")  # type: ignore[arg-type]


def test_callbacks_can_be_registered_before_open_and_removed(connection: Connection) -> None:
    one: list[None] = []
    two: list[None] = []
    with SocketIO(connection).on("eventsChanged", one.append).on("eventsChanged", two.append) as sio:
        connection.post("events", DIARY)
        wait_for(lambda: one and two)
        sio.off("eventsChanged", one.append).off("eventsChanged", print)
        connection.post("events", DIARY)
        wait_for(lambda: len(two) == 2)
    assert len(one) == 1


@pytest.fixture
def threads_take_short_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_take_short_turns")
def test_a_thousand_notifications_come_in_order(sio: SocketIO, connection: Connection) -> None:
    # Told apart by their scopes: each event matches one of ten.
    sio.subscribe({str(digit): {"kind": "events", "query": {"types": [f"note/t{digit}"]}} for digit in range(10)})
    digits = [str(number * number % 10) for number in range(1000)]
    heard: list[str] = []
    sio.on("notificationsChanged", lambda payload: heard.extend(payload["keys"]))
    connection.api([{"method": "events.create", "params": {**DIARY, "type": f"note/t{digit}"}} for digit in digits])
    wait_for(lambda: len(heard) >= len(digits), seconds=30)
    assert heard == digits
    taken = [note.payload["keys"][0] for note in sio.notifications(timeout=0) if note.name == "notificationsChanged"]
    assert taken == digits


@pytest.mark.parametrize("failure", [RuntimeError("out of order"), SystemExit(3)])
def test_an_error_in_a_callback_is_reported_and_ends_nothing(
    sio: SocketIO, connection: Connection, caplog: pytest.LogCaptureFixture, failure: BaseException
) -> None:

    def fail(_: Any) -> None:
        raise failure

    sio.on("eventsChanged", fail)
    sio.on("error", fail)
    heard = Heard(sio)
    for count in (1, 2):
        connection.post("events", DIARY)
        assert heard.wait("error", count) == [failure] * count
    assert [record.exc_info[1] for record in caplog.records if record.exc_info][:2] == [failure, failure]
    assert Notification("error", failure) in list(sio.notifications(timeout=0))


def test_a_callback_may_call_the_platform(sio: SocketIO, connection: Connection) -> None:
    answers: list[Any] = []
    calls = [{"method": "events.get", "params": {"streams": ["diary"]}}]

    def read(_: Any) -> None:
        answers.extend(results[0]["events"][0]["content"] for results in (sio.api(calls), connection.api(calls)))

    sio.on("eventsChanged", read)
    connection.post("events", DIARY)
    wait_for(lambda: len(answers) == 2)
    assert answers == ["a note", "a note"]


def test_a_callback_may_close_the_socket(sio: SocketIO, connection: Connection) -> None:
    disconnects: list[str] = []
    sio.on("disconnect", disconnects.append)
    sio.on("eventsChanged", lambda _: sio.close())
    connection.post("events", DIARY)
    wait_for(lambda: not socket_threads())
    assert disconnects == ["client disconnect"]


def test_a_slow_callback_holds_up_no_call(sio: SocketIO, connection: Connection) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold(_: Any) -> None:
        entered.set()
        leave.wait(10)

    sio.on("eventsChanged", hold)
    connection.post("events", DIARY)
    assert entered.wait(10)
    assert "events" in sio.api([{"method": "events.get", "params": {}}])[0]
    leave.set()


# ---- iterators


def test_an_iterator_begins_with_the_notifications_since_open(sio: SocketIO, connection: Connection) -> None:
    heard = Heard(sio)
    connection.post("events", DIARY)
    connection.post("streams", {"id": "third", "name": "Third"})
    heard.wait("streamsChanged")
    assert list(sio.notifications(timeout=0)) == [Notification("eventsChanged"), Notification("streamsChanged")]
    assert list(sio.notifications(timeout=0)) == []


def test_an_iterator_waits_for_notifications(sio: SocketIO, connection: Connection) -> None:
    notifications = sio.notifications(timeout=10)
    for name, path, body in (
        ("eventsChanged", "events", DIARY),
        ("streamsChanged", "streams", {"id": "x", "name": "X"}),
    ):
        threading.Timer(0.05, connection.post, (path, body)).start()
        assert next(notifications).name == name


def test_an_iterator_ends_when_the_socket_is_closed(sio: SocketIO, connection: Connection) -> None:
    connection.post("events", DIARY)
    notifications = sio.notifications()
    assert next(notifications) == Notification("eventsChanged")
    threading.Timer(0.05, sio.close).start()
    assert list(notifications) == []
    assert not sio.connected
    assert list(sio.notifications()) == []


def test_an_iterator_needs_a_socket_that_was_opened(connection: Connection) -> None:
    with pytest.raises(PryvConnectionError, match="never opened"):
        SocketIO(connection).notifications()


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf")])
def test_a_timeout_is_finite_and_not_negative(sio: SocketIO, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        sio.notifications(timeout)


def test_ten_thousand_are_kept_and_more_are_reported_once(sandbox: Any, sio: SocketIO, connection: Connection) -> None:
    heard = Heard(sio)
    connection.api([{"method": "events.create", "params": DIARY}] * 10_050)
    heard.wait("eventsChanged", 10_050, timeout=60)
    (error,) = heard.of("error")
    assert isinstance(error, PryvError)
    assert "10000" in str(error)
    assert len(list(sio.notifications(timeout=0))) == 10_000
    connection.post("events", DIARY)
    assert next(sio.notifications(timeout=10)) == Notification("eventsChanged")
    assert len(heard.of("error")) == 1


@pytest.mark.parametrize(
    ("flood", "kept"),
    [
        ([Notification("eventsChanged")] * 10_050, 10_000),
        ([Notification("notificationsChanged", {"keys": ["x" * 100_000]})] * 50, 39),
    ],
)
def test_notifications_that_wait_for_a_callback_are_limited(flood: list[Notification], kept: int) -> None:
    entered, leave = threading.Event(), threading.Event()
    heard: list[str] = []

    def hold(_: Any) -> None:
        entered.set()
        leave.wait(10)

    def hear(name: str, _: Any = None) -> None:
        heard.append(name)

    callbacks = Callbacks()
    callbacks.add("streamsChanged", hold)
    for name in (flood[0].name, "disconnect"):
        callbacks.add(name, partial(hear, name))
    callbacks.add("error", lambda error: hear("error") if "callbacks;" in str(error) else None)
    dispatcher = Dispatcher(callbacks, lambda _: None)
    dispatcher.thread.start()
    dispatcher.put(Notification("streamsChanged"))
    assert entered.wait(10)
    for notification in flood:
        dispatcher.put(notification)
    dispatcher.put(Notification("disconnect"))
    leave.set()
    dispatcher.finish()
    dispatcher.thread.join()
    assert heard == [flood[0].name] * kept + ["error", "disconnect"]


def test_notifications_that_wait_for_an_iterator_are_limited_in_size() -> None:
    inbox = Inbox()
    notification = Notification("notificationsChanged", {"keys": ["x" * 100_000]})
    assert [inbox.put(notification) for _ in range(40)] == [True] * 39 + [False]
    assert len(list(inbox.iterate(0))) == 39
    assert inbox.put(notification)


@pytest.mark.parametrize(
    ("name", "arguments", "payload"),
    [
        ("eventsChanged", [], None),
        ("eventsChanged", [{"more": 1}, 2], None),
        ("accessUpdated", [{"type": "access-updated", "accessId": "a:1", "serial": 1}], ...),
        ("accessUpdated", [], "ignored"),
        ("accessUpdated", ["a:1"], "ignored"),
        ("accessUpdated", [{"accessId": ["a:1"], "serial": 1}], "ignored"),
        ("notificationsChanged", [{"keys": ["a"], "more": 1}], ...),
        ("notificationsChanged", [{"keys": "a"}], "ignored"),
        ("notificationsChanged", [{"keys": [1]}], "ignored"),
        ("notificationsChanged", [["a"]], "ignored"),
        ("reconnect", [1], "ignored"),
        ("error", ["x"], "ignored"),
        ("other", [], "ignored"),
    ],
)
def test_a_notification_of_another_form_is_ignored(name: str, arguments: list[Any], payload: Any) -> None:
    told = parse_notification(name, arguments)
    if payload == "ignored":
        assert told is None
    else:
        assert told == Notification(name, arguments[0] if payload is ... else None)


# ---- the own access


def app_connection(account: Account) -> tuple[Connection, dict[str, Any]]:
    access = account[2].post(
        "accesses", {"type": "app", "name": "App", "permissions": [{"streamId": "diary", "level": "read"}]}
    )["access"]
    return Connection(access["apiEndpoint"]), access


def test_an_update_of_the_own_access_refreshes_the_access_info(account: Account) -> None:
    connection, access = app_connection(account)
    names: list[str] = []
    with connection, SocketIO(connection) as sio:
        assert connection.access_info()["name"] == "App"
        sio.on("accessUpdated", lambda _: names.append(connection.access_info()["name"]))
        account[2].update_access(access["id"], {"name": "Renamed"})
        wait_for(lambda: names)
    assert names == ["Renamed"]


def test_an_access_info_that_cannot_be_refreshed_stays(account: Account, sandbox: Any) -> None:
    connection, access = app_connection(account)
    with connection, SocketIO(connection) as sio:
        heard = Heard(sio)
        sandbox.faults.status(500, path="access-info", times=10)
        account[2].update_access(access["id"], {"name": "Renamed"})
        heard.wait("accessUpdated")
        assert connection.access_info()["name"] == "App"


def test_a_failed_access_info_does_not_end_the_delivery(
    account: Account, sandbox: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, access = app_connection(account)
    with connection, SocketIO(connection) as sio:
        heard = Heard(sio)
        monkeypatch.setattr(connection._account.state, "access_info", None)  # as with a new token
        sandbox.faults.status(500, path="access-info", times=10)
        account[2].update_access(access["id"], {"name": "Renamed"})
        heard.wait("accessUpdated")
        account[2].post("events", DIARY)
        heard.wait("eventsChanged")


# ---- scopes


def test_scopes_replace_coarse_notifications(sio: SocketIO, connection: Connection) -> None:
    heard = Heard(sio)
    scope = {"kind": "events", "query": {"streams": ["diary"]}}
    assert sio.get_subscriptions() == {"scopes": {}}
    assert sio.subscribe({"diary": scope}) == {"ok": True, "keys": ["diary"]}
    assert sio.get_subscriptions() == {"scopes": {"diary": scope}}
    connection.post("events", {**DIARY, "streamIds": ["other"]})
    connection.post("events", DIARY)
    assert heard.wait("notificationsChanged") == [{"keys": ["diary"]}]
    assert heard.of("eventsChanged") == []


@pytest.mark.parametrize(
    "payload",
    [
        {"a": {"kind": "events", "query": {}}},
        {"key": "a", "kind": "events", "query": {}},
        {"scopes": {"a": {"kind": "events", "query": {}}}},
    ],
)
def test_scopes_are_taken_in_every_form(sio: SocketIO, payload: dict[str, Any]) -> None:
    assert sio.subscribe(payload) == {"ok": True, "keys": ["a"]}


def test_a_scope_may_be_named_scopes(sio: SocketIO) -> None:
    assert sio.subscribe({"scopes": {"kind": "events", "query": {}}}) == {"ok": True, "keys": ["scopes"]}


def test_a_scope_stays_as_it_was_registered(relayed: Connection, relay: Relay) -> None:
    query = {"streams": ["diary"]}
    with SocketIO(relayed, reconnect=QUICK) as sio:
        heard = Heard(sio)
        sio.subscribe({"a": {"kind": "events", "query": query}})
        query["streams"] = ["other"]
        relay.cut()
        heard.wait("reconnect")
        assert sio.get_subscriptions() == {"scopes": {"a": {"kind": "events", "query": {"streams": ["diary"]}}}}


@pytest.mark.parametrize("payload", [None, ["diary"], {"diary": "events"}, {1: {"kind": "events"}}])
def test_invalid_scopes_are_refused(sio: SocketIO, payload: Any) -> None:
    with pytest.raises(TypeError):
        sio.subscribe(payload)


@pytest.mark.parametrize(
    ("limit", "kind"), [(float("nan"), ValueError), (b"1", TypeError), ("x" * 1_000_000, ValueError)]
)
def test_scopes_that_cannot_be_sent_are_refused(sio: SocketIO, limit: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sio.subscribe({"a": {"kind": "events", "query": {"limit": limit}}})
    assert sio.get_subscriptions() == {"scopes": {}}


def test_scopes_are_forgotten_one_by_one_or_all(sio: SocketIO, connection: Connection) -> None:
    sio.subscribe({key: {"kind": "events", "query": {}} for key in "abcd"})
    assert sio.unsubscribe("a") == {"ok": True, "keys": ["b", "c", "d"]}
    assert sio.unsubscribe(["b", "c"]) == {"ok": True, "keys": ["d"]}
    assert sio.unsubscribe() == {"ok": True, "keys": []}
    connection.post("events", DIARY)
    assert next(sio.notifications(timeout=10)) == Notification("eventsChanged")


def test_a_scope_the_platform_does_not_accept_is_an_error(sio: SocketIO) -> None:
    with pytest.raises(InvalidParametersError, match="bogus") as refused:
        sio.subscribe({"bad": {"kind": "bogus", "query": {}}})
    assert (refused.value.id, refused.value.method) == ("invalid-request-structure", "subscribe")
    assert sio.get_subscriptions() == {"scopes": {}}


def test_scopes_are_registered_together_or_not_at_all(sio: SocketIO, connection: Connection) -> None:
    heard = Heard(sio)
    diary, other = ({"kind": "events", "query": {"streams": [name]}} for name in ("diary", "other"))
    bad = {"kind": "bogus", "query": {}}
    with pytest.raises(InvalidParametersError, match="bogus"):
        sio.subscribe({"good": diary, "bad": bad})
    assert sio.get_subscriptions() == {"scopes": {}}
    connection.post("events", DIARY)
    heard.wait("eventsChanged")
    sio.subscribe({"a": diary, "b": diary})
    with pytest.raises(InvalidParametersError, match="bogus"):
        sio.subscribe({"a": other, "c": other, "bad": bad})
    assert sio.get_subscriptions() == {"scopes": {"a": diary, "b": diary}}
    connection.post("events", {**DIARY, "streamIds": ["other"]})
    connection.post("events", DIARY)
    assert [set(payload["keys"]) for payload in heard.wait("notificationsChanged")] == [{"a", "b"}]


def test_scopes_miss_a_file_that_is_deleted(sio: SocketIO, connection: Connection) -> None:
    with_file: Any = DIARY
    event = connection.create_event_with_file_from_buffer(with_file, b"1", "1.txt")["event"]
    heard = Heard(sio)
    sio.subscribe({name: {"kind": "events", "query": {"streams": [name]}} for name in ("diary", "other")})
    connection.delete_attachment(event["id"], event["attachments"][0]["id"])
    connection.post("events", {**DIARY, "streamIds": ["other"]})
    assert heard.wait("notificationsChanged")[0] == {"keys": ["other"]}


def test_a_platform_without_scopes(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=QUICK) as sio:
        heard = Heard(sio)
        error_id = b'"invalid-request-structure"'
        relay.spoiled = (error_id, b'"invalid-method"'.ljust(len(error_id)))
        assert sio.subscribe({"a": {"kind": "bogus", "query": {}}}) == {"ok": False}
        relayed.post("events", DIARY)
        assert heard.wait("eventsChanged") == [None]
        relay.cut()
        heard.wait("reconnect")
        assert heard.of("error") == []
