"""The Socket.IO interface, frame by frame."""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import websocket
from tests.waiting import wait_for

from pryv_sandbox import Account, Sandbox

from .raw_socket import RawSocket
from .recordings import DIRECTORY, Run, load


def connected(sandbox: Sandbox, account: Account, token: str | None = None) -> RawSocket:
    """A socket of the account, in its namespace."""
    raw = RawSocket(sandbox, account.username, token or account.token)
    answer = raw.connect()
    assert answer.startswith(f"40/{account.username},"), answer
    return raw


def post(sandbox: Sandbox, account: Account, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create an item over HTTP."""
    return request(sandbox, account, "POST", path, body)


def request(sandbox: Sandbox, account: Account, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Call the API over HTTP."""
    answer = requests.request(
        method,
        f"{sandbox.url}{account.username}/{path}",
        json=body,
        headers={"Authorization": account.token},
        timeout=5,
    )
    assert answer.ok, answer.text
    result: dict[str, Any] = answer.json()
    return result


def wait_for_count(sandbox: Sandbox, count: int) -> None:
    """Wait until so many sockets are open: a socket just closed is open until the platform has seen it."""
    wait_for(lambda: sandbox.sockets.count == count)


def note(stream_id: str) -> dict[str, Any]:
    return {"streamIds": [stream_id], "type": "note/txt", "content": "a note"}


@pytest.fixture
def account(pryv_sandbox: Sandbox) -> Account:
    """An account with the streams `diary`, `diary-child` and `other`."""
    account = pryv_sandbox.create_account()
    for stream in (
        {"id": "diary", "name": "Diary"},
        {"id": "diary-child", "name": "Child", "parentId": "diary"},
        {"id": "other", "name": "Other"},
    ):
        post(pryv_sandbox, account, "streams", stream)
    return account


@pytest.fixture
def raw(pryv_sandbox: Sandbox, account: Account) -> Iterator[RawSocket]:
    """A socket of the account's owner."""
    with connected(pryv_sandbox, account) as raw:
        yield raw


# ---- the recorded frames


class Replay:
    """Plays recorded frames."""

    def __init__(self, sandbox: Sandbox, account: Account, names: dict[str, str]) -> None:
        self._run = Run(names)
        self._sandbox = sandbox
        self._account = account
        self._access_id = ""

    def do(self, recorded_note: str) -> None:
        """What happened between two frames."""
        match recorded_note:
            case "HTTP POST events (diary)":
                self._post("events", note("diary"))
            case "HTTP POST events (other)":
                self._post("events", note("other"))
            case "HTTP POST streams":
                self._post("streams", {"id": "third", "name": "Third"})
            case "HTTP POST accesses":
                permissions = [{"streamId": "diary", "level": "read"}]
                created = self._post("accesses", {"name": "Shared", "permissions": permissions})
                self._access_id = created["access"]["id"]
            case "HTTP PUT accesses/{id}":
                request(self._sandbox, self._account, "PUT", f"accesses/{self._access_id}", {"name": "Renamed"})
            case _:
                pytest.fail(f"no such note: {recorded_note}")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return post(self._sandbox, self._account, path, body)

    def play(self, raw: RawSocket, frames: list[dict[str, str]]) -> None:
        received = [raw.opening]
        for frame in frames:
            if "sent" in frame:
                raw.send(self._run.translated(frame["sent"]))
            elif "received" in frame:
                self.compare(frame["received"], received.pop() if received else raw.receive())
            elif "none" in frame:
                assert raw.pending() == []
            else:
                self.do(frame["note"])

    def compare(self, recorded: str, frame: str) -> None:
        head, data = parts(recorded)
        actual_head, actual_data = parts(frame)
        assert actual_head == self._run.translated(head), frame
        assert list(self._run.differences(data, actual_data)) == []


def parts(frame: str) -> tuple[str, Any]:
    """What comes before the JSON of a frame, and its value."""
    head = re.match(r"[^\[{]*", frame)
    assert head
    return head[0], json.loads(frame[head.end() :])


@pytest.mark.parametrize(
    "name",
    [
        "connect, call, notifications, scoped subscriptions",
        "connect with a bad token",
        "connect without token",
        "connect to an unknown user",
    ],
)
def test_frames_as_recorded(pryv_sandbox: Sandbox, account: Account, name: str) -> None:
    (frames,) = (exchange["frames"] for exchange in load(DIRECTORY / "socket-io.json") if exchange["name"] == name)
    recorded_name = frames[1]["sent"].removeprefix("40/").removesuffix(",")
    username = recorded_name if "unknown user" in name else account.username
    token = {"connect with a bad token": "bad", "connect without token": None}.get(name, account.token)
    replay = Replay(pryv_sandbox, account, {recorded_name: username})
    with RawSocket(pryv_sandbox, username, token) as raw:
        replay.play(raw, frames)


def test_polling_is_turned_away_as_recorded(pryv_sandbox: Sandbox) -> None:
    (exchange,) = (
        exchange for exchange in load(DIRECTORY / "socket-io.json") if exchange["name"] == "polling transport"
    )
    answer = requests.get(f"{pryv_sandbox.url}socket.io/?EIO=4&transport=polling", timeout=5)
    assert (answer.status_code, answer.text) == (exchange["http"], exchange["body"])


# ---- entering a namespace


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_a_wrong_token_is_refused(pryv_sandbox: Sandbox, account: Account, token: str) -> None:
    with RawSocket(pryv_sandbox, account.username, token) as raw:
        assert raw.connect().startswith(f'44/{account.username},{{"message":')
    wait_for_count(pryv_sandbox, 0)


def test_a_namespace_that_can_be_no_username_is_refused(pryv_sandbox: Sandbox) -> None:
    with RawSocket(pryv_sandbox, "x", "token") as raw:
        assert raw.connect() == '44/x,{"message":"Invalid resource \\"/x\\"."}'


def test_the_pings_are_as_set() -> None:
    with Sandbox(ping_interval=3, ping_timeout=1.5) as sandbox, RawSocket(sandbox, "anyone", None) as raw:
        opening = json.loads(raw.opening[1:])
        assert (opening["pingInterval"], opening["pingTimeout"]) == (3000, 1500)


def test_a_socket_that_answers_no_ping_is_closed() -> None:
    with Sandbox(ping_interval=0.05, ping_timeout=1) as sandbox, RawSocket(sandbox, "anyone", None) as raw:
        assert raw.receive() == "2"
        raw.send("3")
        assert raw.receive() == "2"
        with pytest.raises(websocket.WebSocketConnectionClosedException):
            collections.deque(iter(raw.receive, None), maxlen=0)


# ---- calls


def test_a_call_is_answered_with_its_result(raw: RawSocket) -> None:
    (error, result), notifications = raw.call("events.create", note("diary"))
    assert error is None
    assert result["event"]["content"] == "a note"
    assert result["meta"]["serverTime"]
    assert notifications == [["eventsChanged"]]


def test_a_call_in_error_is_answered_with_the_error_alone(raw: RawSocket) -> None:
    (error,), _ = raw.call("streams.create", {"id": "diary", "name": "Again"})
    assert error["error"]["id"] == "item-already-exists"
    assert error["meta"]["apiVersion"]


def test_each_change_in_a_batch_is_told_before_the_answer(raw: RawSocket) -> None:
    calls = [{"method": "events.create", "params": note("diary")}] * 20
    (error, result), notifications = raw.call("callBatch", calls)
    assert error is None
    assert len(result["results"]) == 20
    assert notifications == [["eventsChanged"]] * 20


def test_a_call_without_exactly_one_argument_is_never_answered(raw: RawSocket) -> None:
    raw.send(f'42/{raw.namespace},1["getSubscriptions"]')
    raw.send(f'42/{raw.namespace},2["events.create",{json.dumps(note("diary"))},{{}}]')
    assert raw.pending() == []


def test_what_asks_for_no_answer_is_not_carried_out(raw: RawSocket) -> None:
    raw.send(f'42/{raw.namespace},["events.create",{json.dumps(note("diary"))}]')
    assert raw.pending() == []


@pytest.mark.parametrize("query", ["EIO=3&transport=websocket", "EIO=4&transport=websocket"])
def test_what_is_no_websocket_is_turned_away(pryv_sandbox: Sandbox, query: str) -> None:
    answer = requests.get(f"{pryv_sandbox.url}socket.io/?{query}", timeout=5)
    assert (answer.status_code, answer.json()) == (400, {"code": 3, "message": "Bad request"})


# ---- coarse notifications


def test_others_accounts_are_not_told(pryv_sandbox: Sandbox, raw: RawSocket) -> None:
    other = pryv_sandbox.create_account()
    post(pryv_sandbox, other, "streams", {"id": "diary", "name": "Diary"})
    post(pryv_sandbox, other, "events", note("diary"))
    assert raw.pending() == []


def test_every_socket_of_the_account_is_told(pryv_sandbox: Sandbox, account: Account) -> None:
    with connected(pryv_sandbox, account) as one, connected(pryv_sandbox, account) as two:
        wait_for_count(pryv_sandbox, 2)
        post(pryv_sandbox, account, "events", note("diary"))
        assert one.pending() == two.pending() == [["eventsChanged"]]


# ---- scopes


def subscribe(raw: RawSocket, kind: str, **query: Any) -> None:
    (error, _), _ = raw.call("subscribe", {"key": "k", "kind": kind, "query": query})
    assert error is None


MATCHED = [["notificationsChanged", {"keys": ["k"]}]]


@pytest.mark.parametrize(
    ("query", "matching"),
    [
        ({}, True),
        ({"streams": ["diary"]}, True),
        ({"streams": []}, True),
        ({"streams": ["other"]}, False),
        ({"streams": {"any": ["diary"], "not": ["diary-child"]}}, False),
        ({"types": ["note/txt"]}, True),
        ({"types": ["mass/kg"]}, False),
        ({"content": [{"path": "$", "eq": "a note"}]}, True),
        ({"content": [{"path": "$", "prefix": "another"}]}, False),
    ],
)
def test_scope_of_events(
    pryv_sandbox: Sandbox, account: Account, raw: RawSocket, query: dict[str, Any], matching: bool
) -> None:
    subscribe(raw, "events", **query)
    event_id = post(pryv_sandbox, account, "events", note("diary-child"))["event"]["id"]
    assert raw.pending() == (MATCHED if matching else [])
    for _ in range(2):
        request(pryv_sandbox, account, "DELETE", f"events/{event_id}")
        assert raw.pending() == (MATCHED if matching else [])


def test_scope_of_streams(pryv_sandbox: Sandbox, account: Account, raw: RawSocket) -> None:
    subscribe(raw, "streams", streams=["diary"])
    post(pryv_sandbox, account, "streams", {"id": "new-child", "name": "New", "parentId": "diary"})
    request(pryv_sandbox, account, "PUT", "streams/diary-child", {"name": "Renamed"})
    assert raw.pending() == MATCHED * 2
    post(pryv_sandbox, account, "streams", {"id": "elsewhere", "name": "Elsewhere"})
    assert raw.pending() == []


def test_a_scope_knows_the_streams_there_were_when_it_was_made(
    pryv_sandbox: Sandbox, account: Account, raw: RawSocket
) -> None:
    subscribe(raw, "events")
    post(pryv_sandbox, account, "streams", {"id": "later", "name": "Later"})
    post(pryv_sandbox, account, "events", note("later"))
    assert raw.pending() == []


def test_of_a_deleted_item_only_the_id_counts(pryv_sandbox: Sandbox, account: Account, raw: RawSocket) -> None:
    post(pryv_sandbox, account, "streams", {"id": "brief", "name": "Brief", "parentId": "diary"})
    permissions = [{"streamId": "diary", "level": "read"}]
    created = post(pryv_sandbox, account, "accesses", {"name": "Brief", "permissions": permissions})
    access_id = created["access"]["id"]
    scopes = {
        "type": {"kind": "accesses", "query": {"types": ["shared"]}},
        "id": {"kind": "accesses", "query": {"accessIds": [access_id]}},
        "below": {"kind": "streams", "query": {"streams": {"any": ["diary"], "not": ["brief"]}}},
        "same": {"kind": "streams", "query": {"streams": ["brief"]}},
    }
    assert raw.call("subscribe", {"scopes": scopes})[0] == [None, {"ok": True, "keys": list(scopes)}]
    request(pryv_sandbox, account, "DELETE", f"accesses/{access_id}")
    assert raw.pending() == [["notificationsChanged", {"keys": ["id"]}]]
    request(pryv_sandbox, account, "DELETE", "streams/brief")
    assert raw.pending() == [["notificationsChanged", {"keys": ["same"]}]]
    request(pryv_sandbox, account, "DELETE", "streams/brief")
    assert raw.pending() == [["notificationsChanged", {"keys": ["same"]}]]


def test_the_events_of_a_deleted_stream_are_told_of_once_and_to_no_scope(
    pryv_sandbox: Sandbox, account: Account, raw: RawSocket
) -> None:
    for _ in range(3):
        post(pryv_sandbox, account, "events", note("diary-child"))
    with connected(pryv_sandbox, account) as scoped:
        subscribe(scoped, "events", streams=["diary"])
        raw.call("streams.delete", {"id": "diary-child"})
        _, told = raw.call("streams.delete", {"id": "diary-child", "mergeEventsWithParent": True})
        assert told == [["eventsChanged"], ["streamsChanged"]]
        assert scoped.pending() == []


def test_scope_of_accesses(pryv_sandbox: Sandbox, account: Account, raw: RawSocket) -> None:
    subscribe(raw, "accesses", types=["shared"], streams=["diary"])
    for stream_id in ("other", "diary"):
        permissions = [{"streamId": stream_id, "level": "read"}]
        post(pryv_sandbox, account, "accesses", {"name": stream_id, "permissions": permissions})
    assert raw.pending() == MATCHED


def test_scopes_are_kept_by_key(raw: RawSocket) -> None:
    for key in ("a", "b", "c"):
        raw.call("subscribe", {"key": key, "query": {"streams": ["diary"]}})
    assert raw.call("unsubscribe", {"keys": ["a", "b", "unknown"]})[0] == [None, {"ok": True, "keys": ["c"]}]
    scopes = {"c": {"kind": "events", "query": {"streams": ["diary"]}}}
    assert raw.call("getSubscriptions", None)[0] == [None, {"scopes": scopes}]


@pytest.mark.parametrize(
    ("asked", "error_id"),
    [
        ({}, "invalid-request-structure"),
        ("nonsense", "invalid-request-structure"),
        ({"key": "k", "query": {"streams": ["unknown"]}}, "unknown-referenced-resource"),
        ({"key": "k", "kind": "accesses"}, "invalid-request-structure"),
    ],
)
def test_a_scope_that_cannot_be(raw: RawSocket, asked: Any, error_id: str) -> None:
    (error,), _ = raw.call("subscribe", asked)
    assert error["error"]["id"] == error_id


# ---- accesses that change


@pytest.fixture
def shared(pryv_sandbox: Sandbox, account: Account) -> dict[str, Any]:
    """A shared access that reads `diary`."""
    permissions = [{"streamId": "diary", "level": "read"}]
    created = post(pryv_sandbox, account, "accesses", {"name": "Shared", "permissions": permissions})
    access: dict[str, Any] = created["access"]
    return access


def test_a_shared_access_subscribes_to_what_it_reads(
    pryv_sandbox: Sandbox, account: Account, shared: dict[str, Any]
) -> None:
    with connected(pryv_sandbox, account, shared["token"]) as raw:
        (error,), _ = raw.call("subscribe", {"key": "k", "query": {"streams": ["other"]}})
        assert error["error"]["id"] == "forbidden"
        (error,), _ = raw.call("subscribe", {"key": "k", "kind": "accesses", "query": {"types": ["shared"]}})
        assert error["error"]["id"] == "forbidden"
        subscribe(raw, "events")
        post(pryv_sandbox, account, "events", note("other"))
        assert raw.pending() == []
        post(pryv_sandbox, account, "events", note("diary"))
        assert raw.pending() == MATCHED


def test_a_revoked_access_loses_its_socket(pryv_sandbox: Sandbox, account: Account, shared: dict[str, Any]) -> None:
    with connected(pryv_sandbox, account, shared["token"]) as raw:
        request(pryv_sandbox, account, "DELETE", f"accesses/{shared['id']}")
        assert raw.receive() == f'42/{raw.namespace},["accessesChanged"]'
        assert raw.receive() == f"41/{raw.namespace},"
    wait_for_count(pryv_sandbox, 0)


def test_a_narrowed_access_loses_the_scopes_it_no_longer_reaches(
    pryv_sandbox: Sandbox, account: Account, shared: dict[str, Any]
) -> None:
    with connected(pryv_sandbox, account, shared["token"]) as raw:
        subscribe(raw, "events", streams=["diary"])
        permissions = [{"streamId": "other", "level": "read"}]
        updated = request(pryv_sandbox, account, "PUT", f"accesses/{shared['id']}", {"permissions": permissions})
        told = {"type": "access-updated", "accessId": updated["access"]["id"], "serial": 1}
        assert raw.pending() == [["accessUpdated", told]]
        assert raw.call("getSubscriptions", None)[0] == [None, {"scopes": {}}]


# ---- the end


def test_disconnect_all_resets_every_socket(pryv_sandbox: Sandbox, account: Account) -> None:
    with connected(pryv_sandbox, account) as one, connected(pryv_sandbox, account) as two:
        pryv_sandbox.sockets.disconnect_all()
        for raw in (one, two):
            with pytest.raises(ConnectionResetError):
                raw.receive()
    with connected(pryv_sandbox, account) as again:
        assert again.pending() == []


def test_a_closed_socket_is_forgotten(pryv_sandbox: Sandbox, account: Account) -> None:
    with connected(pryv_sandbox, account), connected(pryv_sandbox, account) as two:
        two.send(f"41/{account.username},")
        wait_for_count(pryv_sandbox, 1)


def test_a_stopped_sandbox_has_no_sockets() -> None:
    sandbox = Sandbox()
    with sandbox:
        account = sandbox.create_account()
        with connected(sandbox, account) as raw:
            sandbox.stop()
            assert sandbox.sockets.count == 0
            with pytest.raises(ConnectionResetError):
                raw.receive()
        sandbox.start()
        with connected(sandbox, account) as raw:
            assert sandbox.sockets.count == 1
            post(sandbox, account, "streams", {"id": "diary", "name": "Diary"})
            assert raw.pending() == [["streamsChanged"]]
