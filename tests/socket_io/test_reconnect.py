"""A connection that is lost, and made anew."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from engineio.base_client import connected_clients  # type: ignore[import-untyped]
from tests.accounts import Account
from tests.peers.network import Relay
from tests.pryv.wire import Recorded
from tests.waiting import wait_for, within

from pryv import Connection, ForbiddenError, InvalidAccessTokenError, PryvConnectionError, PryvError, RetryPolicy
from pryv._transport.credentials import Refusal, StaticToken
from pryv_sandbox import Sandbox
from pryv_socket_io import Notification, SocketIO

from .sockets import DIARY, QUICK, Heard, socket_threads

ENDLESS = RetryPolicy(attempts=1_000_000, backoff=0.05, max_backoff=0.05)
PING = b"\x81\x012"


@pytest.fixture
def far(relayed: Connection) -> Iterator[SocketIO]:
    """An open socket by way of the relay."""
    with SocketIO(relayed, reconnect=QUICK) as far:
        yield far


def test_a_lost_connection_is_reconnected_and_notified(far: SocketIO, relay: Relay, connection: Connection) -> None:
    heard = Heard(far)
    for count in (1, 2, 3):
        relay.cut()
        heard.wait("reconnect", count)
        assert far.connected
        connection.post("events", DIARY)
        heard.wait("eventsChanged", count)
    assert [name for name, _ in heard.all] == ["disconnect", "reconnect", "eventsChanged"] * 3
    assert heard.of("disconnect") == ["transport error"] * 3
    assert heard.of("reconnect") == [1] * 3
    assert "stream" in far.api([{"method": "streams.create", "params": {"id": "x", "name": "X"}}])[0]


@pytest.mark.parametrize(
    "spoiled",
    [
        (b'["eventsChanged"]', b'["eventsChanged"}'),
        (b'["eventsChanged"]', b'{"eventsChanged":'),
        (b'["eventsChanged"]', b"               []"),
        (b"\x8142/", b"\x814x/"),
        (b"42/", b"92/"),
        (b"42/", b"4\xff/"),
    ],
)
def test_an_invalid_message_does_not_end_the_socket(
    far: SocketIO, relay: Relay, connection: Connection, spoiled: tuple[bytes, bytes]
) -> None:
    heard = Heard(far)
    relay.spoiled = spoiled
    connection.post("events", DIARY)
    wait_for(lambda: b"eventsChanged" in relay.received)
    relay.spoiled = (b"", b"")
    wait_for(lambda: connection.post("events", DIARY) and heard.of("eventsChanged"))
    assert heard.of("error") == []


def test_an_iterator_goes_on(far: SocketIO, relay: Relay, connection: Connection) -> None:
    notifications = far.notifications(timeout=10)
    relay.cut()
    assert next(notifications) == Notification("disconnect", "transport error")
    assert next(notifications) == Notification("reconnect", 1)
    connection.post("events", DIARY)
    assert next(notifications) == Notification("eventsChanged")


def test_scopes_are_registered_again(far: SocketIO, relay: Relay, connection: Connection) -> None:
    heard = Heard(far)
    scopes = {name: {"kind": "events", "query": {"streams": [name]}} for name in ("diary", "other")}
    far.subscribe({**scopes, "third": scopes["other"]})
    far.unsubscribe("third")
    relay.cut()
    heard.wait("reconnect")
    assert far.get_subscriptions() == {"scopes": scopes}
    connection.post("events", DIARY)
    assert heard.wait("notificationsChanged") == [{"keys": ["diary"]}]
    far.unsubscribe()
    relay.cut()
    heard.wait("reconnect", 2)
    assert far.get_subscriptions() == {"scopes": {}}


def test_a_refused_scope_does_not_affect_the_others(account: Account, relay: Relay) -> None:
    username, _, personal = account

    def permissions(*streams: str) -> dict[str, Any]:
        return {"permissions": [{"streamId": stream, "level": "read"} for stream in streams]}

    access = personal.post("accesses", {"type": "app", "name": "App", **permissions("diary", "other")})["access"]
    scopes = {name: {"kind": "events", "query": {"streams": [name]}} for name in ("other", "diary")}
    with (
        Connection(f"http://{access['token']}@127.0.0.1:{relay.port}/{username}/") as connection,
        SocketIO(connection, reconnect=QUICK) as sio,
    ):
        heard = Heard(sio)
        sio.subscribe(scopes)
        relay.frozen = True
        personal.update_access(access["id"], permissions("diary"))
        relay.cut()
        relay.frozen = False
        heard.wait("reconnect")
        assert [type(error).__name__ for error in heard.of("error")] == ["ForbiddenError"]
        assert sio.get_subscriptions() == {"scopes": {"diary": scopes["diary"]}}


def test_a_scope_that_the_platform_fails_to_register_is_kept(far: SocketIO, relay: Relay) -> None:
    key = "k" * 60
    scopes = {key: {"kind": "events", "query": {"streams": ["diary"]}}}
    heard = Heard(far)
    far.subscribe(scopes)
    accepted = f'[null,{{"ok":true,"keys":["{key}"]}}]'.encode()
    relay.received.clear()
    relay.spoiled = (accepted, b'[{"error":{"id":"unexpected-error","message":"no"}}'.ljust(len(accepted) - 1) + b"]")
    relay.cut()
    wait_for(lambda: relay.received.count(accepted) >= 2)
    relay.spoiled = (b"", b"")
    heard.wait("reconnect")
    assert far.get_subscriptions() == {"scopes": scopes}
    assert heard.of("error") == []


def test_a_scope_registered_while_the_connection_is_lost_is_registered_again(
    far: SocketIO, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = {"a": {"kind": "events", "query": {"streams": ["diary"]}}}
    heard = Heard(far)
    assert far._session
    registry = far._session.scopes
    call = registry._call

    def call_and_lose(*arguments: Any) -> Any:
        answer = call(*arguments)
        if not heard.all:
            relay.cut()
            with contextlib.suppress(AssertionError):  # it waits for this call to return
                heard.wait("reconnect", timeout=0.5)
        return answer

    monkeypatch.setattr(registry, "_call", call_and_lose)
    far.subscribe(scopes)
    heard.wait("reconnect")
    assert far.get_subscriptions() == {"scopes": scopes}


def test_a_missed_update_of_the_own_access_is_noticed(account: Account, relay: Relay) -> None:
    username, _, personal = account
    access = personal.post(
        "accesses", {"type": "app", "name": "App", "permissions": [{"streamId": "diary", "level": "read"}]}
    )["access"]
    names: list[str] = []
    with (
        Connection(f"http://{access['token']}@127.0.0.1:{relay.port}/{username}/") as connection,
        SocketIO(connection, reconnect=QUICK) as sio,
    ):
        sio.on("reconnect", lambda _: names.append(connection.access_info()["name"]))
        relay.frozen = True
        personal.update_access(access["id"], {"name": "Renamed"})
        relay.cut()
        relay.frozen = False
        wait_for(lambda: names)
    assert names == ["Renamed"]


def test_a_connection_without_acknowledged_scopes_is_closed(relayed: Connection, relay: Relay) -> None:
    scope = {"kind": "events", "query": {"streams": ["diary"]}}
    acknowledgement, event = b"43/", b"42/"
    with SocketIO(relayed, reconnect=QUICK).open(timeout=1) as sio:
        heard = Heard(sio)
        threads = len(socket_threads())
        sio.subscribe({"diary": scope})
        relay.received.clear()
        relay.spoiled = (acknowledgement, event)
        relay.cut()
        wait_for(lambda: relay.received.count(acknowledgement) >= 2)
        relay.spoiled = (b"", b"")
        heard.wait("reconnect")
        wait_for(lambda: len(socket_threads()) == threads)
        relayed.post("events", DIARY)
        relayed.post("streams", {"id": "x", "name": "X"})
        assert "events" in sio.api([{"method": "events.get"}])[0]
        assert heard.wait("notificationsChanged") == [{"keys": ["diary"]}]


def test_attempts_go_on_while_the_platform_is_away(far: SocketIO, sandbox: Sandbox) -> None:
    heard = Heard(far)
    sandbox.faults.status(503, path="/socket.io/", times=3)
    sandbox.sockets.disconnect_all()
    assert heard.wait("reconnect") == [4]
    assert heard.of("error") == []


def test_a_restart_of_the_platform() -> None:
    with Sandbox() as platform:
        api_endpoint = platform.create_account().api_endpoint
        with Connection(api_endpoint) as connection, SocketIO(connection, reconnect=QUICK) as sio:
            heard = Heard(sio)
            platform.stop()
            heard.wait("disconnect")
            with pytest.raises(PryvConnectionError):
                sio.api([{"method": "events.get"}])
            platform.start()
            heard.wait("reconnect")
            connection.post("streams", {"id": "diary", "name": "Diary"})
            heard.wait("streamsChanged")


class Moody(requests.Session):
    """A session that fails when it is asked for its settings."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    def get_adapter(self, url: str) -> Any:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError
        return super().get_adapter(url)


def test_attempts_go_on_whatever_a_session_raises(relayed: Connection, relay: Relay) -> None:
    with (
        Moody() as session,
        Connection(relayed.api_endpoint, session=session) as connection,
        SocketIO(connection, reconnect=QUICK) as sio,
    ):
        heard = Heard(sio)
        session.failures = 3  # two attempts, and the refreshed access info
        relay.cut()
        assert heard.wait("reconnect") == [4]
        session.failures = 1
        relay.cut()
        heard.wait("reconnect", 2)


def test_it_gives_up_after_the_attempts_allowed(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=RetryPolicy(attempts=3, backoff=0.01)) as sio:
        heard = Heard(sio)
        relay.cut_after = 0
        connections = relay.connections
        relay.cut()
        (error,) = heard.wait("error")
        assert type(error) is PryvConnectionError
        assert relay.connections - connections == 3
        assert [name for name, _ in heard.all] == ["disconnect", "error"]
        notifications = sio.notifications()
        assert next(notifications).name == "disconnect"
        with pytest.raises(PryvConnectionError):
            next(notifications)
        wait_for(lambda: not socket_threads())
        relay.cut_after = None
        assert sio.open().connected


def test_it_gives_up_after_the_time_allowed(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=RetryPolicy(attempts=1000, backoff=0.05, max_backoff=0.05, deadline=0.4)) as sio:
        heard = Heard(sio)
        relay.cut_after = 0
        relay.cut()
        heard.wait("error")


def test_reconnecting_can_be_turned_off(relayed: Connection, relay: Relay) -> None:
    with SocketIO(relayed, reconnect=None) as sio:
        heard = Heard(sio)
        relay.cut()
        assert type(heard.wait("error")[0]) is PryvConnectionError


@pytest.mark.parametrize("policy", [True, False, 5, "never"])
def test_invalid_policies_are_refused(policy: Any, connection: Connection) -> None:
    with pytest.raises(TypeError, match=r"reconnect is a pryv\.RetryPolicy or None"):
        SocketIO(connection, reconnect=policy)
    with pytest.raises(TypeError, match=r"reconnect is a pryv\.RetryPolicy or None"):
        SocketIO(connection).reconnect = policy


def test_the_default_is_ten_attempts_up_to_a_minute_apart(connection: Connection) -> None:
    policy = SocketIO(connection).reconnect
    assert policy
    assert (policy.attempts, policy.max_backoff) == (10, 60)


def test_waits_grow_until_a_connection_holds(relayed: Connection, relay: Relay) -> None:
    policy = Recorded(attempts=3, max_backoff=1)
    with SocketIO(relayed, reconnect=policy) as sio:
        heard = Heard(sio)
        for count in range(1, 7):
            relay.cut()
            heard.wait("reconnect", count)
        assert policy.asked == [1, 2, 3, 4, 5, 6]
        assert heard.of("reconnect") == [1] * 6
        begin = time.monotonic()
        wait_for(lambda: time.monotonic() - begin > 1)
        relay.cut()
        heard.wait("reconnect", 7)
    assert policy.asked[6:] == [1]


def test_a_revoked_token_ends_it(account: Account) -> None:
    access = account[2].post("accesses", {"name": "A", "permissions": [{"streamId": "diary", "level": "read"}]})[
        "access"
    ]
    with Connection(access["apiEndpoint"]) as connection, SocketIO(connection, reconnect=ENDLESS) as sio:
        heard = Heard(sio)
        account[2].delete(f"accesses/{access['id']}")
        (error,) = heard.wait("error")
        assert isinstance(error, InvalidAccessTokenError)
        assert [name for name, _ in heard.all] == ["accessesChanged", "disconnect", "error"]
        with pytest.raises(InvalidAccessTokenError):
            list(sio.notifications())
        wait_for(lambda: not socket_threads())
        assert not sio.connected
        assert not connected_clients
        with pytest.raises(InvalidAccessTokenError):
            sio.open()


class Renewed(StaticToken):
    """A token that is replaced by the next one when the platform refuses it."""

    def __init__(self, token: str, *later: str) -> None:
        super().__init__(token)
        self._later = later

    def renewed(self, refusal: Refusal) -> bool:
        if refusal.token == self.token:
            self.__init__(*self._later)  # type: ignore[misc]
        return True


def test_a_renewed_token_is_used_to_reconnect(account: Account) -> None:
    permissions: Any = [{"streamId": "diary", "level": "read"}]
    old, new = (account[2].accesses.create({"name": name, "permissions": permissions}) for name in "AB")
    with Connection(old["apiEndpoint"]) as connection:
        connection._account.credentials = Renewed(old["token"], new["token"])
        with SocketIO(connection, reconnect=QUICK) as sio:
            heard = Heard(sio)
            account[2].accesses.delete(old["id"])
            heard.wait("reconnect")
            assert connection.token == new["token"]
            account[2].post("events", DIARY)
            heard.wait("eventsChanged")
            assert connection.access_info()["id"] == new["id"]


@pytest.mark.usefixtures("sandbox")  # others look at the access only now and then, and end the connection
def test_calls_go_on_after_the_token_has_expired(account: Account) -> None:
    permissions: Any = [{"streamId": "diary", "level": "manage"}]
    old = account[2].accesses.create({"name": "A", "permissions": permissions})
    new = account[2].accesses.create({"name": "B", "permissions": permissions})
    with Connection(old["apiEndpoint"]) as connection:
        connection._account.credentials = Renewed(old["token"], new["token"])
        with SocketIO(connection, reconnect=QUICK) as sio:
            heard = Heard(sio)
            sio.subscribe({"mine": {"kind": "events", "query": {"streams": ["diary"]}}})
            account[2].accesses.update(old["id"], {"expireAfter": 0.2})
            created = []
            while connection.token == old["token"]:
                created.append(sio.api([{"method": "events.create", "params": DIARY}])[0])
            assert heard.of("reconnect") == [1]
            assert list(sio.get_subscriptions()["scopes"]) == ["mine"]
        ids = [item["event"]["id"] for item in created]
        assert sorted(event["id"] for event in connection.iter_events()) == sorted(ids)


@pytest.mark.usefixtures("sandbox")  # others look at the access only now and then, and end the connection
def test_calls_of_all_threads_go_on_after_the_token_has_expired(account: Account) -> None:
    permissions: Any = [{"streamId": "diary", "level": "read"}]
    old = account[2].accesses.create({"name": "A", "permissions": permissions})
    new = account[2].accesses.create({"name": "B", "permissions": permissions})
    with Connection(old["apiEndpoint"]) as connection:
        connection._account.credentials = Renewed(old["token"], new["token"])
        with SocketIO(connection, reconnect=QUICK) as sio, ThreadPoolExecutor(4) as threads:
            heard = Heard(sio)
            account[2].accesses.update(old["id"], {"expireAfter": 0.2})

            def call(_: int) -> None:
                while not heard.of("reconnect"):
                    sio.api([{"method": "events.get", "params": {"limit": 1}}])

            assert list(threads.map(call, range(4))) == [None] * 4
            assert heard.of("reconnect") == [1]


@pytest.mark.usefixtures("sandbox")  # others look at the access only now and then, and end the connection
def test_a_socket_that_does_not_reconnect_raises_the_refusal(account: Account) -> None:
    old = account[2].accesses.create({"name": "A", "permissions": [{"streamId": "diary", "level": "read"}]})
    with Connection(old["apiEndpoint"]) as connection:
        connection._account.credentials = Renewed(old["token"], str(account[2].token))
        with SocketIO(connection, reconnect=None) as sio:
            account[2].accesses.update(old["id"], {"expireAfter": 0.2})
            with pytest.raises(ForbiddenError, match="expired"):
                list(map(sio.api, itertools.repeat([{"method": "events.get", "params": {}}])))
        assert connection.token == old["token"]


@contextlib.contextmanager
def relayed_socket(platform: Sandbox) -> Iterator[tuple[SocketIO, Relay]]:
    account = platform.create_account()
    parts = urlsplit(platform.url)
    with (
        contextlib.closing(Relay("127.0.0.1", parts.port or 80)) as relay,
        Connection(f"http://{account.token}@127.0.0.1:{relay.port}/{account.username}/") as connection,
        SocketIO(connection, reconnect=None) as sio,
    ):
        yield sio, relay


def test_a_silent_connection_is_noticed(sandbox: Sandbox) -> None:
    with Sandbox(ping_interval=1, ping_timeout=1) as platform, relayed_socket(platform) as (sio, relay):
        heard = Heard(sio)
        relay.frozen = True
        heard.wait("disconnect")


def test_an_hour_of_pings(sandbox: Sandbox) -> None:
    with Sandbox(ping_interval=0.03, ping_timeout=20) as platform, relayed_socket(platform) as (sio, relay):
        heard = Heard(sio)
        threads = socket_threads()
        wait_for(lambda: relay.received.count(PING) >= 3600 / 25, seconds=30)
        assert heard.all == []
        assert socket_threads() == threads
        sio.connection.post("streams", {"id": "diary", "name": "Diary"})
        heard.wait("streamsChanged")


def test_fifty_sockets_at_once(sandbox: Sandbox, account: Account) -> None:
    connections = [Connection(account[2].api_endpoint) for _ in range(50)]
    sockets = [SocketIO(connection, reconnect=QUICK) for connection in connections]
    for sio in sockets:
        sio.open()
    heard = [Heard(sio) for sio in sockets]
    account[2].post("events", DIARY)
    for one in heard:
        assert one.wait("eventsChanged") == [None]
    sandbox.sockets.disconnect_all()
    for one in heard:
        one.wait("reconnect")
    wait_for(lambda: len(socket_threads()) == 50 * 4)
    with within(20):
        for sio in sockets:
            sio.close()
    for connection in connections:
        connection.close()


def test_many_losses_leave_nothing_behind(far: SocketIO, relay: Relay) -> None:
    heard = Heard(far)
    threads = sorted(socket_threads())
    for count in range(1, 51):
        relay.cut()
        heard.wait("reconnect", count)
    wait_for(lambda: sorted(socket_threads()) == threads)
    assert len(connected_clients) == 1
    assert not [error for error in heard.of("error") if isinstance(error, PryvError)]
