"""The transport: timeouts, moves, redirects, credentials, sessions, certificates, and sockets that are left open."""

from __future__ import annotations

import os
import pickle
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
from tests.forks import in_child
from tests.peers.certificates import server_context
from tests.peers.network import Proxy
from tests.pryv.wire import FAST, META, Reply, Wire, error_reply, moves_to, reply, service_info_reply
from tests.waiting import within

from pryv import (
    ERRORS,
    ApiError,
    Connection,
    ForbiddenError,
    PryvConnectionError,
    PryvError,
    PryvProtocolError,
    PryvStreamError,
    PryvTimeoutError,
    PryvTlsError,
    Service,
)
from pryv._transport.timeouts import DEFAULT_TIMEOUT
from pryv._transport.urls import moved_endpoint
from pryv.addons import access_info_within

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

VERBS = ["get", "post", "put", "delete"]


# Timeouts


def test_there_is_a_timeout_by_default() -> None:
    assert DEFAULT_TIMEOUT == (5, 60)


@pytest.mark.parametrize("timeout", ["5", [5, 60], (5,), (5, 60, 5), True, (5, "60"), object(), {"read": 5}])
def test_a_timeout_is_a_number_or_a_pair(wire: Wire, timeout: Any) -> None:
    for make in (lambda: Connection(wire.api_endpoint, timeout=timeout), lambda: Service(wire.url, timeout=timeout)):
        with pytest.raises(TypeError):
            make()
    with wire.connection() as connection, pytest.raises(TypeError):
        connection.get("streams", timeout=timeout)
    assert wire.requests == []


@pytest.mark.parametrize("number", [0, -1, -0.5, float("nan"), float("inf"), float("-inf"), 1e10])
def test_a_timeout_is_finite_and_above_zero(wire: Wire, connection: Connection, number: float) -> None:
    for timeout in (number, (number, 5), (5, number)):
        with pytest.raises(ValueError, match="timeout"):
            Connection(wire.api_endpoint, timeout=timeout)
        with pytest.raises(ValueError, match="timeout"):
            connection.get("streams", timeout=timeout)
    assert wire.requests == []


@pytest.mark.parametrize("timeout", [0.05, (2, 0.05), (None, 0.05)])
def test_a_call_has_its_own_timeout(wire: Wire, timeout: Any) -> None:
    wire.always = Reply(b"", "hang")
    with wire.connection(timeout=30) as connection:
        for call in (
            lambda: connection.post("streams", timeout=timeout),
            lambda: connection.put("streams/x", timeout=timeout),
            lambda: connection.delete("streams/x", timeout=timeout),
            lambda: connection.get("streams", timeout=timeout),
            lambda: connection.access_info(timeout=timeout),
            lambda: connection.api([{"method": "streams.create"}], timeout=timeout),
            lambda: connection.api_one("streams.create", timeout=timeout),
            lambda: list(connection.iter_api([{"method": "streams.create"}], timeout=timeout)),
            lambda: list(connection.iter_events(timeout=timeout)),
            lambda: connection.get_events_streamed(None, print, timeout=timeout),
        ):
            with within(10), pytest.raises(PryvTimeoutError):
                call()


@pytest.mark.parametrize("timeout", [None, (None, None), (1, None)])
def test_a_timeout_can_be_turned_off(wire: Wire, timeout: Any) -> None:
    wire.always = reply(interval=0.001)
    with wire.connection(timeout=0.0005) as connection:
        assert connection.get("streams", timeout=timeout)
    with wire.connection(timeout=timeout) as connection:
        assert connection.get("streams")


@pytest.fixture
def deaf() -> Iterator[str]:
    """An API endpoint whose host neither accepts nor refuses connections."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        host, port = listener.getsockname()
        for _ in range(3):
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield f"http://token@{host}:{port}/user/"


@pytest.mark.parametrize("verb", VERBS)
def test_a_connection_that_is_not_made_in_time(deaf: str, verb: str) -> None:
    with (
        Connection(deaf, timeout=(0.05, 30), retry=FAST) as connection,
        within(10, at_least=0.15),
        pytest.raises(PryvTimeoutError) as failed,
    ):
        getattr(connection, verb)("streams")
    assert not failed.value.sent
    assert failed.value.retryable


def uploads(connection: Connection) -> list[Callable[[], Any]]:
    """Return calls that send 8 MB each: a batch, a post, points, a file."""
    text = "é" * 4_000_000
    return [
        lambda: connection.api([{"method": "streams.create", "params": {"name": text}}]),
        lambda: connection.post("streams", {"name": text}),
        lambda: connection.add_points_to_hf_event("e", ["deltaTime", "value"], [[0, text]]),
        lambda: connection.add_attachment("e", text.encode(), "e.txt"),
    ]


SENT = {"results": [{}], "status": "ok", "event": {}}


@pytest.mark.parametrize("given", [True, False])
def test_a_body_may_take_longer_than_connecting(wire: Wire, given: bool) -> None:
    """Each block is limited, not the whole body; with small socket buffers, the sender waits for the reader."""
    wire.always = reply(SENT)
    wire.read_slowly([0.006] * 200)
    with (
        requests.Session() as session,
        wire.connection(timeout=(0.5, 10), retry=None, session=session if given else None) as connection,
    ):
        for upload in uploads(connection):
            begin = time.monotonic()
            upload()
            assert time.monotonic() - begin > 0.5
    for request in wire.requests:
        assert "é" * 4_000_000 in request.body.decode()
        assert "transfer-encoding" not in request.headers


def test_a_pause_of_a_reading_server_is_limited_by_the_read_timeout(wire: Wire) -> None:
    wire.always = reply(SENT)
    wire.read_slowly([0.4])
    with wire.connection(timeout=(0.1, 10), retry=None) as connection:
        for upload in uploads(connection):
            upload()
    assert len(wire.requests) == len(uploads(connection))


def test_a_server_that_stops_reading_is_a_timeout(wire: Wire) -> None:
    wire.read_slowly([60])
    with wire.connection(timeout=(30, 0.2), retry=None) as connection:
        for upload in uploads(connection):
            with within(5, at_least=0.2), pytest.raises(PryvTimeoutError) as failed:
                upload()
            assert failed.value.sent


def test_a_large_body_is_sent_again_whole(wire: Wire, other_wire: Wire) -> None:
    event = {"id": "c" * 25, "content": "é" * 1_000_000}
    wire.replies.extend([Reply(b"", "reset"), error_reply(503, "x"), moves_to(other_wire.url)[0]])
    with wire.connection() as connection:
        connection.post("events", event)
    for request in [*wire.requests, *other_wire.requests]:
        assert request.json() == event
    assert (len(wire.requests), len(other_wire.requests)) == (3, 1)


@pytest.mark.usefixtures("plain_environment")
def test_bodies_can_be_matched_by_responses() -> None:
    url, event = "https://host/user/events", {"type": "note/txt", "content": "é"}
    with responses.RequestsMock() as mocked, Connection("https://token@host/user/") as connection:
        mocked.post(url, json={"meta": META}, match=[responses.matchers.json_params_matcher(event)])
        assert connection.post("events", event)


@pytest.mark.parametrize("make", [Connection, Service])
def test_an_unknown_host(make: Any) -> None:
    with make("https://nowhere.invalid/", retry=FAST) as client, pytest.raises(PryvConnectionError) as failed:
        (client.get("x") if make is Connection else client.info())
    assert not failed.value.sent


# Accounts that have moved


@pytest.mark.parametrize("form", range(6))
@pytest.mark.parametrize("verb", VERBS)
def test_a_move_is_followed_once_and_remembered(
    wire: Wire, other_wire: Wire, connection: Connection, form: int, verb: str
) -> None:
    wire.replies.append(moves_to(other_wire.url)[form])
    wire.replies.append(error_reply(500, "must not be asked again"))
    argument = {"a": "é"}
    getattr(connection, verb)("streams", argument)
    getattr(connection, verb)("streams", argument)
    (first,) = wire.requests
    for request in other_wire.requests:
        assert (request.method, request.target, request.body) == (first.method, first.target, first.body)
        assert request.method == verb.upper()
        assert request.headers["authorization"] == wire.token
    assert len(other_wire.requests) == 2
    assert connection.endpoint == f"{other_wire.url}user/"
    assert connection.token == wire.token


def test_reads_and_batches_move_too(wire: Wire, other_wire: Wire) -> None:
    def read(connection: Connection) -> Any:
        return list(connection.iter_events())

    def batch(connection: Connection) -> Any:
        return connection.api([{"method": "streams.create"}])

    def create(connection: Connection) -> Any:
        return connection.post("events", {"id": "c" * 25})

    for use, answer in ((read, reply({"events": []})), (batch, reply({"results": [{}]})), (create, reply())):
        other_wire.always = answer
        wire.replies.append(moves_to(other_wire.url)[0])
        with wire.connection() as connection:
            use(connection)
    assert len(wire.requests) == len(other_wire.requests) == 3


def test_a_move_on_a_platform(sandbox: Sandbox) -> None:
    account = sandbox.create_account()
    core = sandbox.url.replace("127.0.0.1", "localhost")
    with Connection(account.api_endpoint, retry=FAST) as connection:
        sandbox.faults.wrong_core(core)
        assert connection.username() == account.username
        assert connection.endpoint == f"{core}{account.username}/"
        sandbox.faults.relocated(sandbox.url)
        connection.post("streams", {"id": "diary", "name": "Diary"})
        assert connection.endpoint == f"{sandbox.url}{account.username}/"
        assert "diary" in [stream["id"] for stream in connection.get("streams")["streams"]]


def test_a_move_is_not_followed_in_circles(wire: Wire, other_wire: Wire, connection: Connection) -> None:
    wire.always = moves_to(other_wire.url)[0]
    other_wire.always = moves_to(wire.url)[0]
    with pytest.raises(ApiError) as failed:
        connection.get("streams")
    assert (failed.value.id, failed.value.status) == (ERRORS.WRONG_CORE, 421)
    assert (len(wire.requests), len(other_wire.requests)) == (1, 1)


def test_a_move_to_an_unreachable_core_is_not_remembered(wire: Wire, other_wire: Wire, connection: Connection) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    other_wire.always = Reply(b"", "reset")
    with pytest.raises(PryvConnectionError):
        connection.post("streams")
    connection.post("streams")
    assert len(wire.requests) == 2


NONSENSE = {
    "page": reply("<html>Welcome</html>"),
    "empty": reply(""),
    "other API": reply('{"hello": "world"}'),
    "no such page": reply("<html>", 404),
    "refusal of another API": reply('{"error": "no"}', 401),
    "gateway": reply("<html>", 502),
    "redirect": reply("", 302, {"Location": "http://elsewhere.example/"}),
    "cut": Reply(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", "close"),
    "refused by the API": error_reply(401, ERRORS.INVALID_ACCESS_TOKEN),
    "moved again": moves_to("http://elsewhere.example/")[0],
}
CALLS: dict[str, Callable[[Connection], Any]] = {
    "get": lambda connection: connection.get("streams"),
    "post": lambda connection: connection.post("streams"),
    "batch": lambda connection: connection.api([{"method": "streams.create"}]),
    "events": lambda connection: list(connection.iter_events()),
    "file": lambda connection: connection.add_attachment("e", b"x", "e.txt"),
    "points": lambda connection: connection.add_points_to_hf_event("e", ["deltaTime"], [[0]]),
    "download": lambda connection: connection.download_attachment("e", "f"),
}
WELL: dict[str, Reply] = {"batch": reply({"results": [{}]}), "events": reply({"events": []}), "points": reply(SENT)}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_core_without_a_valid_response_is_not_remembered(
    wire: Wire, other_wire: Wire, nonsense: str, call: str
) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    other_wire.always = NONSENSE[nonsense]
    with wire.connection(retry=None) as connection:
        endpoint = connection.endpoint
        with pytest.raises(PryvError):
            CALLS[call](connection)
        assert connection.endpoint == endpoint
        connection.get("streams")
    assert (len(wire.requests), len(other_wire.requests)) == (2, 1)


@pytest.mark.parametrize("call", [name for name in CALLS if name != "download"])
def test_any_call_remembers_the_core(wire: Wire, other_wire: Wire, call: str) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    wire.always = error_reply(500, "must not be asked again")
    other_wire.always = WELL.get(call, reply())
    with wire.connection(retry=None) as connection:
        CALLS[call](connection)
        CALLS[call](connection)
        assert connection.endpoint == f"{other_wire.url}user/"
    assert (len(wire.requests), len(other_wire.requests)) == (1, 2)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("nonsense", ["page", "gateway", "cut", "no such page"])
def test_a_core_that_fails_later_is_forgotten(wire: Wire, other_wire: Wire, nonsense: str, call: str) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    with wire.connection(retry=None) as connection:
        endpoint = connection.endpoint
        connection.get("streams")
        other_wire.always = NONSENSE[nonsense]
        with pytest.raises(PryvError):
            CALLS[call](connection)
        assert connection.endpoint == endpoint
        connection.get("streams")
    assert len(wire.requests) == 2


def test_a_core_that_refuses_a_call_is_not_forgotten(wire: Wire, other_wire: Wire) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    with wire.connection(retry=None) as connection:
        connection.get("streams")
        for status, error_id in ((400, ERRORS.INVALID_PARAMETERS_FORMAT), (503, ERRORS.API_UNAVAILABLE)):
            other_wire.replies.append(error_reply(status, error_id))
            with pytest.raises(ApiError):
                connection.get("streams")
        assert connection.endpoint == f"{other_wire.url}user/"
        with pickle.loads(pickle.dumps(connection)) as copy:
            assert copy.endpoint == connection.endpoint


def test_a_core_found_by_an_add_on_is_remembered(wire: Wire, other_wire: Wire) -> None:
    wire.replies.append(moves_to(other_wire.url)[0])
    with wire.connection(retry=None) as connection:
        access_info_within(connection, 5)
        assert connection.endpoint == f"{other_wire.url}user/"
        other_wire.always = Reply(b"", "reset")
        with pytest.raises(PryvConnectionError):
            connection.get("streams")
        assert connection.endpoint == f"{wire.url}user/"


@pytest.mark.parametrize(
    "place",
    [
        None,
        5,
        "",
        "/elsewhere/",
        "//elsewhere/",
        "elsewhere",
        "http://[",
        "http://ho st/",
        "http://host:port/",
        "http://host:99999/",
        "http://other@host/",
        "http://host\r\nX-Injected: 1/",
        "ftp://host/",
        "file:///etc/passwd",
        ["http://["],
        {"coreUrl": "http://["},
    ],
)
def test_a_move_to_an_invalid_url_is_not_followed(wire: Wire, connection: Connection, place: Any) -> None:
    endpoint = connection.endpoint
    for member in ({"data": place}, {"coreUrl": place}, {"data": {"coreUrl": place}}):
        wire.replies.append(error_reply(421, ERRORS.WRONG_CORE, **member))
        with pytest.raises(ApiError):
            connection.get("streams")
    assert len(wire.requests) == 3
    assert connection.endpoint == endpoint
    connection.get("streams")


def test_a_move_never_gives_up_encryption() -> None:
    assert moved_endpoint("https://host/user/", "http://core/") is None
    assert moved_endpoint("https://host/user/", "https://core/") == "https://core/user/"
    assert moved_endpoint("http://host/user/", "https://core/") == "https://core/user/"


@pytest.mark.parametrize(
    ("endpoint", "place", "there"),
    [
        ("https://host/user/", "https://core:8443", "https://core:8443/user/"),
        ("https://host/user/", "https://core/x/", "https://core/user/"),
        ("https://host/user/", "https://core/user", "https://core/user/"),
        ("https://host/user/", "https://core/user/streams/user?x=1", "https://core/user/"),
        ("https://host/user/", "https://core/api/user/streams", "https://core/api/user/"),
        ("https://host/api/user/", "https://core/", "https://core/api/user/"),
        ("https://host/api/user/", "https://core/user/", "https://core/user/"),
        ("https://user.host/", "https://core.host/", "https://core.host/user/"),
        ("https://user.host/", "https://core.host/user/streams?x=1", "https://core.host/user/"),
        ("https://user.host/", "https://core.host/api/user", "https://core.host/api/user/"),
        ("https://user.host/", "https://user.core:8443/streams/user?x=1", "https://user.core:8443/"),
    ],
)
def test_a_move_keeps_the_username(endpoint: str, place: str, there: str) -> None:
    assert moved_endpoint(endpoint, place) == there


def test_a_move_from_a_host_per_account(wire: Wire) -> None:
    core = "http://core.pryv.invalid/"
    wire.replies.append(moves_to(core)[0])
    with requests.Session() as session:
        session.proxies = {"http": wire.url}
        with Connection("http://token@alice.pryv.invalid/", session=session, retry=None) as connection:
            for _ in range(2):
                connection.post("streams")
            assert connection.endpoint == f"{core}alice/"
    assert [request.target for request in wire.requests] == [
        "http://alice.pryv.invalid/streams",
        "http://core.pryv.invalid/alice/streams",
        "http://core.pryv.invalid/alice/streams",
    ]


@pytest.mark.parametrize("status", [200, 302, 307, 308, 400, 401, 403, 404, 409, 503])
def test_other_responses_that_name_a_core_are_not_a_move(
    wire: Wire, other_wire: Wire, connection: Connection, status: int
) -> None:
    wire.always = error_reply(status, ERRORS.WRONG_CORE, coreUrl=other_wire.url, data={"coreUrl": other_wire.url})
    with pytest.raises((ApiError, PryvProtocolError)):
        connection.get("streams")
    assert other_wire.requests == []


# Redirects


def test_a_302_without_location_is_a_response(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"mfaToken": "t"}, 302)
    assert connection.post("mfa/activate", {"phone": "5"})["mfaToken"] == "t"
    assert connection.delta_time != 0
    for answer in (
        reply("", 302),
        reply("<html>", 302),
        reply("[]", 302),
        reply({"mfaToken": "t"}, 302, {"Location": "/x"}),
        reply({"mfaToken": "t"}, 307),
    ):
        wire.always = answer
        with pytest.raises(PryvProtocolError):
            connection.post("mfa/activate")
    wire.always = error_reply(302, ERRORS.FORBIDDEN)
    with pytest.raises(ForbiddenError):
        connection.post("mfa/activate")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("same_host", [True, False])
def test_calls_to_an_account_follow_no_redirect(
    wire: Wire, other_wire: Wire, connection: Connection, status: int, same_host: bool
) -> None:
    place = f"{(wire if same_host else other_wire).url}elsewhere"
    wire.always = reply("", status, {"Location": place})
    calls: list[Callable[[], Any]] = [
        *(lambda verb=verb: getattr(connection, verb)("streams") for verb in VERBS),
        lambda: connection.api([{"method": "streams.get"}]),
        lambda: list(connection.iter_events()),
        lambda: connection.post("events", {"id": "c" * 25}),
    ]
    for call in calls:
        with pytest.raises(PryvProtocolError, match=f"HTTP {status} redirects to {urlsplit(place).netloc}"):
            call()
    assert len(wire.requests) == len(calls)
    assert other_wire.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_redirects_of_a_service_info_are_followed(wire: Wire, other_wire: Wire, status: int, place: str) -> None:
    target = other_wire if place == "absolute" else wire
    wire.replies.append(reply("", status, {"Location": f"{other_wire.url}info" if target is other_wire else "/info"}))
    target.replies.append(service_info_reply(target))
    with Service(f"{wire.url}service/info?x=1") as service:
        assert service.info().name == "Wire"
    assert target.requests[-1].target == "/info"
    assert "authorization" not in target.requests[-1].headers


@pytest.mark.parametrize(
    "place", ["ftp://host/", "file:///etc/passwd", "http://[", "http://host:port/", "javascript:x"]
)
def test_redirects_to_other_schemes_are_refused(wire: Wire, place: str) -> None:
    wire.always = reply("", 302, {"Location": place})
    with Service(wire.url, retry=FAST) as service, pytest.raises((PryvProtocolError, PryvConnectionError)):
        service.info()
    assert len(wire.requests) == 1


def test_redirects_in_circles_come_to_an_end(wire: Wire) -> None:
    wire.always = reply("", 302, {"Location": "/again"})
    with Service(wire.url) as service, pytest.raises(PryvProtocolError, match="redirected"):
        service.info()
    assert len(wire.requests) < 10


def test_writes_to_the_platform_follow_no_redirect(wire: Wire, other_wire: Wire) -> None:
    with Service(wire.url, retry=FAST) as service:
        wire.replies.append(service_info_reply(wire))
        service.info()
        wire.always = reply("", 307, {"Location": other_wire.url})
        calls: list[Callable[[], Any]] = [
            lambda: service.create_user(
                username="userone", password="password", email="a@b.org", app_id="app-id", hosting="x"
            ),
            lambda: service.login("userone", "password", "app-id"),
            lambda: service.mfa_challenge("userone", "mfa-token"),
            lambda: service.mfa_verify("userone", "mfa-token", "code"),
            lambda: service.reset_password("userone", "password", "reset-token", "app-id"),
            lambda: service.start_access_request({"requestingAppId": "app-id", "requestedPermissions": []}),
            lambda: service.poll_access_request("key"),
        ]
        for call in calls:
            with pytest.raises(PryvProtocolError):
                call()
    assert other_wire.requests == []
    assert len(wire.requests) == 1 + len(calls)


# Credentials


@pytest.fixture
def netrc(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.netrc` with credentials for every host."""
    path = tmp_path / "netrc"
    path.write_text("machine 127.0.0.1 login intruder password secret\ndefault login intruder password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    assert requests.utils.get_netrc_auth(wire.url) == ("intruder", "secret")


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("given", [True, False])
def test_netrc_never_replaces_the_token(wire: Wire, other_wire: Wire, given: bool) -> None:
    session = requests.Session() if given else None
    wire.always = reply({"events": []})
    with wire.connection(session=session) as connection:
        connection.get("streams")
        connection.post("streams")
        list(connection.iter_events())
        wire.replies.append(moves_to(other_wire.url)[0])
        connection.put("streams")
    requests_made = [*wire.requests, *other_wire.requests]
    assert len(requests_made) == 5
    assert {request.headers["authorization"] for request in requests_made} == {wire.token}
    if session:
        session.close()


@pytest.mark.usefixtures("netrc")
def test_netrc_is_not_used_without_a_token(wire: Wire) -> None:
    wire.replies.extend([service_info_reply(wire), reply("", 302, {"Location": "/x"}), service_info_reply(wire)])
    with Service(wire.url) as service, Connection(f"{wire.url}user/") as connection:
        service.info()
        service.info(force_fetch=True)
        connection.get("streams")
    assert len(wire.requests) == 4
    assert not any("authorization" in request.headers for request in wire.requests)


@pytest.mark.parametrize("given", [True, False])
def test_no_cookie_is_kept(wire: Wire, given: bool) -> None:
    wire.always = reply({}, headers={"Set-Cookie": "sso=someone-else; Path=/"})
    with requests.Session() as session, wire.connection(session=session if given else None) as connection:
        for _ in range(2):
            connection.get("streams")
            connection.post("streams")
        assert not session.cookies
    assert not any("cookie" in request.headers for request in wire.requests)


# Sessions


def test_a_given_session_is_not_changed(wire: Wire) -> None:
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        session.auth = ("someone", "else")
        session.params = {"mine": "yes"}
        seen: list[int] = []
        session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
        before = {key: repr(value) for key, value in vars(session).items() if key != "adapters"}
        adapters = list(session.adapters.items())
        with wire.connection(session=session) as connection:
            connection.get("streams")
            connection.post("streams")
            wire.replies.append(reply("", 302, {"Location": "/x"}))
            with pytest.raises(PryvProtocolError):
                connection.get("streams")
        assert {key: repr(value) for key, value in vars(session).items() if key != "adapters"} == before
        assert list(session.adapters.items()) == adapters
        assert seen == [200, 200, 302]
        for request in wire.requests:
            assert request.headers["x-mine"] == "yes"
            assert request.headers["authorization"] == wire.token
            assert request.target.endswith("?mine=yes")
        assert wire.open_connections == 1
        assert session.get(wire.url).status_code == 200
    assert wire.wait_until_open(0)


def test_a_session_s_single_hook_is_called(wire: Wire) -> None:
    seen: list[int] = []
    with requests.Session() as session:
        session.hooks = {"response": lambda response, **_: seen.append(response.status_code)}
        wire.connection(session=session).get("streams")
    assert seen == [200]


@pytest.mark.parametrize("session", ["session", object(), 5, requests])
def test_the_session_argument_is_a_session(session: Any) -> None:
    for make in (Connection, Service):
        with pytest.raises(TypeError):
            make("https://host/", session=session)


@pytest.mark.parametrize("where", ["session", "environment", "both"])
def test_proxies_are_used(wire: Wire, other_wire: Wire, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    with requests.Session() as session:
        if where != "environment":
            session.proxies = {"http": other_wire.url}
        if where != "session":
            monkeypatch.setenv("HTTP_PROXY", other_wire.url if where == "environment" else "http://127.0.0.1:9/")
            monkeypatch.setenv("http_proxy", other_wire.url if where == "environment" else "http://127.0.0.1:9/")
        given = None if where == "environment" else session
        with Connection("http://token@pryv.invalid/user/", session=given, retry=None) as connection:
            connection.get("streams")
    (request,) = other_wire.requests
    assert request.target == "http://pryv.invalid/user/streams"
    assert request.headers["authorization"] == "token"


@pytest.mark.parametrize(("status", "retryable"), [("407 Authenticate, user:secret", False), ("503 Busy", True)])
def test_a_proxy_that_refuses_a_tunnel(
    proxy: Proxy, plain_environment: None, monkeypatch: pytest.MonkeyPatch, status: str, retryable: bool
) -> None:
    proxy.status = status
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:secret@127.0.0.1:{proxy.port}")
    with (
        Connection("https://token@localhost:9/user/", retry=FAST) as connection,
        pytest.raises(PryvConnectionError, match=f"proxy .* localhost:9: HTTP {status[:3]}") as failed,
    ):
        connection.post("streams")
    assert (failed.value.retryable, failed.value.sent) == (retryable, False)
    assert len(proxy.asked) == (3 if retryable else 1)
    assert "secret" not in str(failed.value)


def test_an_unreachable_proxy(plain_environment: None) -> None:
    with requests.Session() as session:
        session.proxies = {"http": "http://127.0.0.1:9/"}
        with (
            Connection("http://token@localhost/user/", session=session, retry=None) as connection,
            pytest.raises(PryvConnectionError, match=r"proxy .* localhost: Connection refused") as failed,
        ):
            connection.post("streams")
    assert not failed.value.sent


# Certificates


@pytest.fixture(scope="module")
def other_authority_file(authority: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "other-authority.pem"
    type(authority)().cert_pem.write_to_path(str(path))
    return str(path)


def tls_wire(authority: Any, name: str, clients: bool = False) -> Wire:
    context = server_context(authority, name)
    if clients:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return Wire(context)


def test_an_unknown_certificate_is_refused(secure_wire: Wire) -> None:
    with secure_wire.connection() as connection:
        for verb in VERBS:
            with pytest.raises(PryvTlsError) as failed:
                getattr(connection, verb)("streams")
            assert not failed.value.retryable
            assert str(failed.value).endswith("failed: unable to get local issuer certificate")
        with pytest.raises(PryvTlsError):
            list(connection.iter_events())
    with Service(secure_wire.url) as service, pytest.raises(PryvTlsError):
        service.info()
    assert secure_wire.requests == []
    assert secure_wire.connections == 6


def check_time_limits(secure_wire: Wire) -> None:
    """Check that a block of a body, and a response as a whole, have the read timeout as their limit."""
    secure_wire.always = reply(SENT)
    secure_wire.read_slowly([1])
    with secure_wire.connection(timeout=(0.8, 10), retry=None) as connection:
        for upload in uploads(connection)[::3]:
            upload()
    secure_wire.always = reply(interval=0.02)
    with secure_wire.connection(timeout=0.3, retry=None) as connection, pytest.raises(PryvTimeoutError):
        connection.get("streams")


def test_time_limits_with_tls(secure_wire: Wire, authority_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    check_time_limits(secure_wire)


def test_time_limits_through_a_tunnel(
    proxy: Proxy, secure_wire: Wire, authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    check_time_limits(secure_wire)
    assert len(proxy.asked) == 2


def test_a_certificate_for_another_host_is_refused(
    authority: Any, authority_file: str, plain_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
    wire = tls_wire(authority, "elsewhere.example")
    with wire.connection() as connection, pytest.raises(PryvTlsError, match="IP address mismatch"):
        connection.get("streams")
    assert wire.requests == []
    wire.close()


def test_a_server_without_tls(sandbox: Sandbox) -> None:
    endpoint = sandbox.create_account().api_endpoint.replace("http:", "https:")
    with (
        Connection(endpoint, retry=FAST, timeout=2) as connection,
        pytest.raises(PryvConnectionError, match="the response is not TLS") as failed,
    ):
        connection.get("streams")
    assert failed.value.retryable  # a proxy in front of the platform, out of order, answers so


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_in_the_environment_is_used(
    secure_wire: Wire, authority_file: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, authority_file)
    with secure_wire.connection() as connection:
        assert connection.get("streams")
    with requests.Session() as session, secure_wire.connection(session=session) as connection:
        assert connection.get("streams")


def test_a_session_s_ca_bundle_wins_over_the_environment_s(
    secure_wire: Wire, authority_file: str, other_authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with requests.Session() as session:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_authority_file)
        session.verify = authority_file
        with secure_wire.connection(session=session) as connection:
            connection.get("streams")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", authority_file)
        session.verify = other_authority_file
        session.close()
        with secure_wire.connection(session=session) as connection, pytest.raises(PryvTlsError):
            connection.get("streams")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_session_without_verification_is_used(
    secure_wire: Wire, other_authority_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_authority_file)
    with requests.Session() as session:
        session.verify = False
        with secure_wire.connection(session=session) as connection:
            connection.get("streams")


def test_the_client_certificate_of_a_session_is_used(
    authority: Any, authority_file: str, tmp_path: Path, plain_environment: None
) -> None:
    wire = tls_wire(authority, "127.0.0.1", clients=True)
    certificate = tmp_path / "client.pem"
    authority.issue_cert("someone@example.org").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with requests.Session() as session:
        session.verify = authority_file
        with wire.connection(session=session, retry=None) as connection:
            with pytest.raises(PryvConnectionError):
                connection.get("streams")
            session.cert = str(certificate)
            connection.get("streams")
    wire.close()


# Sockets, processes and copies


def test_one_socket_serves_many_calls(wire: Wire, connection: Connection) -> None:
    for _ in range(10):
        connection.get("streams")
        connection.post("streams")
    wire.replies.append(error_reply(400, "x"))
    with pytest.raises(ApiError):
        connection.get("streams")
    wire.replies.append(reply({"events": []}))
    list(connection.iter_events())
    connection.get("streams")
    assert wire.connections == 1


def test_closing_closes_the_sockets_of_every_thread(wire: Wire) -> None:
    connection = wire.connection()
    called, closed = threading.Barrier(17), threading.Barrier(17)

    def work() -> None:
        connection.get("streams")
        called.wait(10)
        closed.wait(10)
        connection.get("streams")

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    called.wait(10)
    assert wire.open_connections == 16
    connection.close()
    assert wire.wait_until_open(0)
    closed.wait(10)
    for thread in threads:
        thread.join()
    assert len(wire.requests) == 32
    connection.close()
    assert wire.wait_until_open(0)


def test_the_socket_of_a_thread_ends_with_it(wire: Wire, connection: Connection) -> None:
    thread = threading.Thread(target=lambda: connection.get("streams"))
    thread.start()
    thread.join()
    assert wire.wait_until_open(0)


def test_a_connection_can_be_used_after_it_was_closed(wire: Wire, connection: Connection) -> None:
    with connection:
        connection.get("streams")
    assert wire.wait_until_open(0)
    connection.get("streams")
    assert wire.open_connections == 1


def test_closing_a_service_closes_its_sockets(wire: Wire) -> None:
    wire.always = service_info_reply(wire)
    with Service(wire.url) as service:
        service.info()
        assert wire.open_connections == 1
    assert wire.wait_until_open(0)


def test_closing_a_connection_closes_what_it_opened_for_its_service(wire: Wire, connection: Connection) -> None:
    wire.always = service_info_reply(wire)
    with connection:
        connection.service.info()
        assert wire.open_connections == 1
    assert wire.wait_until_open(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_shares_no_socket(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"streams": ["é"]})
    assert connection.get("streams")["streams"] == ["é"]

    def work() -> list[Any]:
        found = [connection.get("streams")["streams"] for _ in range(3)]
        connection.close()
        return found

    assert in_child(work) == [["é"]] * 3
    assert wire.connections == 2
    assert connection.get("streams")["streams"] == ["é"]
    assert wire.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_reads_nothing_of_a_response_to_its_parent(wire: Wire, connection: Connection) -> None:
    events: list[Any] = [{"id": str(number), "content": "x" * 1000} for number in range(3000)]
    wire.replies.append(reply({"events": events}))
    stream = connection.iter_events()
    seen = [next(stream)]

    def work() -> str:
        with pytest.raises(PryvStreamError) as failed:
            list(stream)
        return str(failed.value)

    def leave() -> None:
        stream.close()
        connection.close()

    in_child(leave)
    assert "parent" in in_child(work)
    seen.extend(stream)
    assert seen == events


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_fork_inherits_no_held_lock(wire: Wire, connection: Connection) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            connection.get("streams")
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()

    def use() -> bool:
        connection.close()
        return "meta" in connection.get("streams")

    try:
        assert all(in_child(use) for _ in range(10))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("given", [True, False])
def test_a_connection_can_be_pickled(wire: Wire, given: bool) -> None:
    wire.always = reply({"user": {"username": "user"}, "name": "access"})
    with requests.Session() as session:
        session.headers["X-Mine"] = "yes"
        options: dict[str, Any] = {"session": session} if given else {}
        with wire.connection(timeout=3, chunk_size=7, **options) as connection:
            connection.username()
            with pickle.loads(pickle.dumps(connection)) as copy:
                assert copy.api_endpoint == connection.api_endpoint
                assert copy.delta_time == connection.delta_time != 0
                assert copy.username() == "user"
                assert len(wire.requests) == 1
                wire.always = reply({"results": [{}] * 7})
                copy.api([{"method": "streams.get"}] * 14)
                assert len(wire.requests) == 3
                assert [request.headers.get("x-mine") for request in wire.requests] == ["yes" if given else None] * 3
                assert {request.headers["authorization"] for request in wire.requests} == {wire.token}


def test_a_service_can_be_pickled(wire: Wire) -> None:
    wire.replies.append(service_info_reply(wire))
    with Service(wire.url, {"name": "Mine"}) as service:
        service.info()
        with pickle.loads(pickle.dumps(service)) as copy:
            assert copy.info() == service.info()
            assert copy.info().name == "Mine"
    assert len(wire.requests) == 1
