"""Connections to one account that differ in their limits only."""

from __future__ import annotations

import gc
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from tests.accounts import Account
from tests.forks import in_child
from tests.pryv.wire import Reply, Wire, error_reply, moves_to, reply, service_info_reply

from pryv import (
    Connection,
    InvalidAccessTokenError,
    PryvConnectionError,
    PryvTimeoutError,
    RetryPolicy,
    ServerError,
    Service,
)
from pryv.addons import access_info_within

UNAVAILABLE = error_reply(503, "api-unavailable")
ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def other(connection: Connection) -> Iterator[Connection]:
    """A connection like `connection`, with one attempt."""
    with closing(connection.with_options(retry=None)) as other:
        yield other


def test_each_has_its_own_retries(wire: Wire, connection: Connection, other: Connection) -> None:
    wire.replies.append(UNAVAILABLE)
    with pytest.raises(ServerError):
        other.get("streams")
    assert len(wire.requests) == 1
    wire.replies.append(UNAVAILABLE)
    connection.get("streams")
    assert len(wire.requests) == 3


def test_each_has_its_own_timeout(wire: Wire, connection: Connection) -> None:
    wire.replies.append(Reply(b"", "hang"))
    with connection.with_options(timeout=0.1, retry=None) as hasty, pytest.raises(PryvTimeoutError):
        hasty.get("streams")
    wire.always = Reply(reply().data, interval=0.002)  # takes longer than that
    connection.get("streams")


def test_other_options_keep_their_values(wire: Wire, connection: Connection) -> None:
    with connection.with_options(retry=ONCE).with_options(timeout=0.1).with_options() as hasty:
        wire.replies.append(UNAVAILABLE)
        with pytest.raises(ServerError):
            hasty.get("streams")
        wire.replies.append(Reply(b"", "hang"))
        with pytest.raises(PryvTimeoutError):
            hasty.get("streams")
        wire.always = reply({"results": [{}] * 2})
        assert len(hasty.api([{"method": "streams.get"}] * 2)) == 2
        assert hasty.api_endpoint == connection.api_endpoint


def test_with_options_makes_no_request(wire: Wire, other: Connection) -> None:
    assert wire.connections == 0
    assert wire.token not in repr(other)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": "5"}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"retry": 3}, TypeError),
        ({"retry": False}, TypeError),
    ],
)
def test_invalid_limits_are_refused(connection: Connection, options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        connection.with_options(**options)


@pytest.mark.parametrize("turned", [False, True])
def test_clones_share_what_they_know(wire: Wire, other_wire: Wire, turned: bool) -> None:
    with wire.connection() as connection, connection.with_options(retry=None) as other:
        one, two = (other, connection) if turned else (connection, other)
        wire.replies.append(moves_to(other_wire.url)[0])
        other_wire.always = reply({"user": {"username": "user"}})
        assert one.username() == "user"
        assert two.username() == "user"
        assert two.endpoint == one.endpoint == f"{other_wire.url}user/"
        assert two.delta_time == one.delta_time != 0
        assert (len(wire.requests), len(other_wire.requests)) == (1, 1)
        other_wire.always = reply({"user": {"username": "renamed"}})
        two.access_info(force_refresh=True)
        assert one.username() == "renamed"
        other_wire.always = Reply(b"", "reset")
        with pytest.raises(PryvConnectionError):
            two.get("streams")
        assert one.endpoint == f"{wire.url}user/"


@pytest.mark.parametrize("turned", [False, True])
def test_they_share_network_connections_until_both_are_closed(wire: Wire, turned: bool) -> None:
    connection = wire.connection()
    other = connection.with_options(retry=None)
    one, two = (other, connection) if turned else (connection, other)
    for each in (one, two, one):
        each.get("streams")
    assert wire.connections == 1
    one.close()
    assert wire.open_connections == 1
    two.get("streams")
    assert wire.connections == 1
    two.close()
    assert wire.wait_until_open(0)
    one.get("streams")
    assert wire.open_connections == 1
    one.close()
    assert wire.wait_until_open(0)


def test_an_unused_clone_keeps_no_connection_open(wire: Wire, connection: Connection, other: Connection) -> None:
    connection.get("streams")
    connection.close()
    assert wire.wait_until_open(0)


def test_a_deleted_clone_keeps_no_connection_open(wire: Wire, connection: Connection) -> None:
    connection.get("streams")
    connection.with_options(timeout=1).get("streams")
    gc.collect()
    connection.close()
    assert wire.wait_until_open(0)


def test_a_read_goes_on_when_the_other_is_closed(wire: Wire, connection: Connection, other: Connection) -> None:
    wire.replies.append(reply({"events": [{"id": str(number)} for number in range(1000)]}))
    with connection.iter_events() as events:
        next(events)
        other.close()
        assert len(list(events)) == 999


def test_threads_share_it(wire: Wire, connection: Connection) -> None:
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(5):
            with connection.with_options(timeout=number + 1) as other:
                other.get("streams")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wire.requests) == 40
    connection.close()
    assert wire.wait_until_open(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_closes_nothing_of_its_parent(wire: Wire, connection: Connection, other: Connection) -> None:
    connection.get("streams")
    other.get("streams")

    def work() -> list[bool]:
        found = ["meta" in each.get("streams") for each in (connection, other)]
        connection.close()
        other.close()
        return found

    assert in_child(work) == [True, True]
    other.get("streams")
    assert wire.connections == 2


def test_both_can_be_pickled(wire: Wire, connection: Connection, other: Connection) -> None:
    wire.always = reply({"user": {"username": "user"}})
    assert other.username() == "user"
    with pickle.loads(pickle.dumps(other)) as copy:
        assert copy.username() == "user"
        assert len(wire.requests) == 1
        wire.replies.append(UNAVAILABLE)
        with pytest.raises(ServerError):
            copy.get("streams")
    one, two = pickle.loads(pickle.dumps((connection, other)))
    wire.always = reply({"user": {"username": "renamed"}})
    two.access_info(force_refresh=True)
    assert one.username() == "renamed"
    assert other.username() == "user"
    one.close()
    two.close()


def test_clones_share_a_given_session(wire: Wire) -> None:
    with requests.Session() as session, wire.connection(session=session) as connection:
        session.headers["X-Mine"] = "yes"
        with connection.with_options(timeout=1) as other:
            other.get("streams")
        connection.get("streams")
    assert [request.headers["x-mine"] for request in wire.requests] == ["yes", "yes"]
    assert wire.connections == 1


def test_clones_share_a_given_service(wire: Wire) -> None:
    wire.always = service_info_reply(wire)
    with Service(wire.url) as service, Connection(wire.api_endpoint, service) as connection:
        service.info()
        with connection.with_options(timeout=1) as other:
            assert other.service is service
        assert wire.open_connections == 1


@pytest.mark.parametrize("made_first", [True, False])
def test_a_service_of_their_own_has_their_limits(wire: Wire, connection: Connection, made_first: bool) -> None:
    wire.always = service_info_reply(wire)
    if made_first:
        connection.service.info()
    with connection.with_options(retry=None) as other:
        assert (other.service.info_sync() is not None) == made_first
        wire.replies.append(UNAVAILABLE)
        with pytest.raises(ServerError):
            other.service.info(force_fetch=True)
        other.service.info()
    assert wire.wait_until_open(1 if made_first else 0)
    wire.replies.append(UNAVAILABLE)
    assert connection.service.info(force_fetch=True).name


def test_each_has_a_socket_of_its_own(connection: Connection, other: Connection) -> None:
    pytest.importorskip("pryv_socket_io")
    assert connection.socket is not other.socket
    with connection.with_options() as third:
        assert third.socket is not connection.socket


def test_with_an_account(new_account: Callable[[], Account]) -> None:
    _, _, owner = new_account()
    with owner.with_options(timeout=30, retry=None) as other:
        other.api_one("streams.create", {"id": "diary", "name": "Diary"})
        event = {"streamIds": ["diary"], "type": "note/txt", "content": "from the other"}
        created = other.post("events", event)["event"]
        with owner.iter_events({"streams": ["diary"]}) as events:
            assert [found["id"] for found in events] == [created["id"]]
        assert other.username() == owner.username()


def test_one_revokes_the_access_of_both(new_account: Callable[[], Account]) -> None:
    _, _, owner = new_account()
    access = owner.api_one("accesses.create", {"type": "app", "name": "app", "permissions": []}, "access")
    with Connection(access["apiEndpoint"]) as app, app.with_options(retry=None) as other:
        assert other.revoke() is not None
        assert app.revoke(using=other) is None
        with pytest.raises(InvalidAccessTokenError):
            app.access_info(force_refresh=True)


def test_an_add_on_sees_the_network_connection_of_its_request(wire: Wire, connection: Connection) -> None:
    """It can be ended, although one is open already, which the request could have gone over."""
    opened: list[socket.socket] = []
    connection.get("streams")
    wire.replies.append(Reply(b"", "hang"))

    def cut() -> None:
        wire.wait_until_asked(2)
        opened[0].shutdown(socket.SHUT_RDWR)

    cutting = threading.Thread(target=cut)
    cutting.start()
    with pytest.raises(PryvConnectionError) as failed:
        access_info_within(connection, 20, on_connect=opened.append)
    cutting.join()
    assert not isinstance(failed.value, PryvTimeoutError)
    assert wire.wait_until_open(1)


def test_an_add_on_and_its_connection_learn_the_same(wire: Wire, other_wire: Wire, connection: Connection) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    access_info_within(connection, 5)
    assert connection.delta_time != 0
    other_wire.always = Reply(b"", "reset")
    with pytest.raises(PryvConnectionError):
        access_info_within(connection, 5, force_refresh=True)
    assert connection.endpoint == f"{wire.url}user/"
