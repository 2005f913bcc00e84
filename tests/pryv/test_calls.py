"""A connection's plain calls, and the state of its account."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.pryv.wire import META, Wire, error_reply, reply

from pryv import Connection, MissingAddonError, PryvProtocolError, Service, UnknownResourceError
from pryv._transport import account
from pryv._transport.credentials import StaticToken
from pryv._transport.http import Http, Response
from pryv.utils import decompose_api_endpoint, query_params_from_url
from pryv_sandbox import Sandbox

Account = tuple[str, str, Connection]
ENTRY = {"streamIds": ["diary"], "type": "note/txt", "content": "Hello"}


def test_an_event_from_its_creation_to_its_end(new_account: Callable[[], Account]) -> None:
    connection = new_account()[2]
    connection.post("streams", {"id": "diary", "name": "Diary"})
    event = connection.post("events", ENTRY)["event"]
    path = f"events/{event['id']}"
    assert connection.put(path, {"content": "Bye"})["event"]["content"] == "Bye"
    assert connection.get(path)["event"]["content"] == "Bye"
    assert connection.get("events", {"streams": ["diary"], "limit": 1})["events"][0]["id"] == event["id"]
    assert connection.delete(path)["event"]["trashed"] is True
    assert connection.delete(path)["eventDeletion"]["id"] == event["id"]
    assert connection.get("events", {"streams": ["diary"], "state": "all"})["events"] == []


def test_an_unknown_event_is_an_unknown_resource_error(module_account: Account) -> None:
    with pytest.raises(UnknownResourceError) as caught:
        module_account[2].get("events/never-was")
    assert (caught.value.status, caught.value.method) == (404, "GET events/never-was")


def test_a_stream_may_go_with_its_events(new_account: Callable[[], Account]) -> None:
    connection = new_account()[2]
    connection.post("streams", {"id": "diary", "name": "Diary"})
    connection.post("events", ENTRY)
    connection.delete("streams/diary")
    connection.delete("streams/diary", {"mergeEventsWithParent": False})
    ids = [stream["id"] for stream in connection.get("streams", {"state": "all"})["streams"]]
    assert "diary" not in ids


def test_a_batch_may_be_posted_as_it_is(module_account: Account) -> None:
    body = module_account[2].post("", [{"method": "streams.get", "params": {}}])
    assert body["results"][0].keys() >= {"streams"}


def test_access_info_is_requested_once(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"name": "app", "user": {"username": "alice"}})
    assert connection.username() == "alice"
    assert connection.access_info() is connection.access_info()
    assert len(wire.requests) == 1
    wire.always = reply({"name": "renamed", "user": {"username": "alice"}})
    assert connection.access_info(force_refresh=True)["name"] == "renamed"
    wire.always = error_reply(500, "unexpected-error")
    with pytest.raises(Exception, match="unexpected-error"):
        connection.access_info(force_refresh=True)
    assert connection.access_info()["name"] == "renamed"


def test_an_access_info_without_a_user_is_a_protocol_error(wire: Wire, connection: Connection) -> None:
    with pytest.raises(PryvProtocolError, match="no 'user' of type object"):
        connection.username()


def test_a_connection_has_a_token_and_an_endpoint(wire: Wire) -> None:
    with Connection(wire.api_endpoint.rstrip("/")) as connection:
        assert connection.endpoint == f"{wire.url}user/"
        assert connection.token == wire.token
        assert connection.api_endpoint == wire.api_endpoint
    with Connection(f"{wire.url}user/") as public:
        assert public.token is None
        public.get("events")
    assert "authorization" not in wire.requests[-1].headers


def test_a_connection_finds_its_platform(module_account: Account, platform_url: str) -> None:
    with Connection(module_account[2].api_endpoint) as connection, Service(platform_url) as service:
        assert connection.service is connection.service
        assert connection.service.info().register == service.info().register
    with Service(platform_url) as service, Connection(module_account[2].api_endpoint, service) as connection:
        assert connection.service is service


def test_delta_time_is_a_running_mean(sandbox: Sandbox) -> None:
    with Connection(sandbox.create_account().api_endpoint) as connection:
        assert connection.delta_time == 0
        sandbox.faults.skew = 100
        try:
            connection.get("streams")
            assert connection.delta_time == pytest.approx(100, abs=1)
        finally:
            sandbox.faults.skew = 0
        for count in (2, 3, 4):
            connection.api_one("streams.get")
            assert connection.delta_time == pytest.approx(100 / count, abs=1)
        before = connection.delta_time
        list(connection.iter_events())
        connection.get("events")
        assert connection.delta_time == before


@given(st.lists(st.one_of(st.floats(), st.integers(), st.integers(min_value=0, max_value=10**11)), max_size=8))
@example([1.7e308, -1.7e308, 1.7e308])
@example([253402300799.9, 0, 10**400])
def test_an_invalid_server_time_is_ignored(server_times: list[float]) -> None:
    called = account.Account(Http(), "http://host/user/", StaticToken(None), 5)
    for server_time in server_times:
        response = Response(
            "GET streams", 200, {}, json.dumps({"meta": {"serverTime": server_time}}).encode(), received=1.7e9
        )
        with contextlib.suppress(PryvProtocolError):
            called.result(response)
        assert math.isfinite(called.state.delta_time.mean)
        assert abs(called.state.delta_time.mean) <= 2.6e11


def test_a_missing_expected_key_is_a_protocol_error(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"results": [{"events": [1], "none": None, "meta": META}]})
    assert connection.api_one("events.get", expected_key="events") == [1]
    for missing in ("event", "none"):
        with pytest.raises(PryvProtocolError, match=missing):
            connection.api_one("events.get", expected_key=missing)


@pytest.mark.parametrize("service", ["https://pryv.me/service/info", 5, {}])
def test_the_service_argument_is_a_service(wire: Wire, service: Any) -> None:
    with pytest.raises(TypeError, match="service is a"):
        Connection(wire.api_endpoint, service)


@pytest.mark.parametrize(
    "use",
    [
        lambda connection: connection.iter_events([("limit", 1)]),
        lambda connection: connection.iter_events("limit=1"),
        lambda connection: connection.get_latest_by_content("$", [["x"]]),
        lambda connection: connection.get_latest_by_content("$", [None]),
        lambda connection: connection.revoke(using="https://token@pryv.me/"),
        lambda connection: decompose_api_endpoint(connection.endpoint, 5),  # type: ignore[arg-type]
        lambda connection: connection.service.set_service_info("https://pryv.me/service/info"),
        lambda connection: connection.service.build_api_endpoint("https://pryv.me/", "user"),
        lambda connection: connection.update_access("id", [("name", "x")]),
        lambda connection: query_params_from_url(5),  # type: ignore[arg-type]
    ],
)
def test_an_argument_of_another_type_is_refused_before_any_request(
    wire: Wire, connection: Connection, use: Callable[[Connection], object]
) -> None:
    with pytest.raises(TypeError):
        use(connection)
    assert not wire.requests


def test_an_add_on_that_is_missing_is_named(
    wire: Wire, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pryv_socket_io", None)  # it cannot be imported then
    with pytest.raises(MissingAddonError, match="pip install pryv-socket-io"):
        connection.socket  # noqa: B018
