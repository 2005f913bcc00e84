"""Credentials that change: they are asked at each attempt, and a request that was refused is repeated once."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest
from tests.pryv.wire import Wire, chunked, error_reply, reply

from pryv import ApiError, Connection, InvalidAccessTokenError, PryvError
from pryv._transport.credentials import Authorization, Credentials, Refusal
from pryv.addons import bearer_token, renew_token

EXPIRED = error_reply(403, "invalid-access-token")
EVENT = {"streamIds": ["diary"], "type": "note/txt", "content": "x"}


class Rotating(Credentials):
    """Tokens `canary-1`, `canary-2` and so on; the headers have a number that differs for each attempt."""

    def __init__(self, last: int = 9) -> None:
        self.number, self.last = 1, last
        self.is_due = False
        self.refusals: list[Refusal] = []
        self.clocks: list[float] = []
        self._attempts = count(1)

    @property
    def token(self) -> str:
        return f"canary-token-{self.number}"

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(f"canary-token-{number}" for number in range(1, self.number + 1))

    def headers(self, method: str, url: str) -> Mapping[str, str]:
        return {"Authorization": self.token, "Attempt": f"{next(self._attempts)} {method} {url}"}

    def before_request(self) -> None:
        if self.is_due:
            self.number, self.is_due = self.number + 1, False

    def renewed(self, refusal: Refusal) -> bool:
        self.refusals.append(refusal)
        if refusal.error_id != "invalid-access-token" or self.number == self.last:
            return False
        if refusal.token == self.token:
            self.number += 1
        return True

    def observe_clock(self, ahead: float) -> None:
        self.clocks.append(ahead)


@pytest.fixture
def rotating(connection: Connection) -> Rotating:
    credentials = Rotating()
    connection._account.credentials = credentials
    return credentials


def tokens(wire: Wire) -> list[str]:
    return [request.headers["authorization"].removeprefix("canary-token-") for request in wire.requests]


def attempts(wire: Wire) -> list[str]:
    return [request.headers["attempt"] for request in wire.requests]


CALLS: dict[str, Any] = {
    "get": lambda connection: connection.get("streams"),
    "post": lambda connection: connection.post("events", EVENT),
    "put": lambda connection: connection.put("events/x", EVENT),
    "delete": lambda connection: connection.delete("events/x"),
    "api": lambda connection: connection.api([{"method": "streams.get"}]),
    "events": lambda connection: list(connection.iter_events()),
    "upload": lambda connection: connection.add_attachment("x", b"data" * 100_000, "name.txt"),
    "download": lambda connection: connection.download_attachment("x", {"id": "file", "size": 4}),
    "points": lambda connection: connection.add_points_to_hf_event("x", ["deltaTime"], [[1]]),
    "read points": lambda connection: connection.get_hf_points("x"),
}
RESULTS: dict[str, Any] = {
    "api": {"results": [{"streams": []}]},
    "events": {"events": []},
    "points": {"status": "ok"},
    "read points": {"fields": [], "points": []},
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [401, 403])
def test_a_call_refused_for_its_token_is_repeated_once_with_another(
    wire: Wire, connection: Connection, rotating: Rotating, call: str, status: int
) -> None:
    wire.replies.append(error_reply(status, "invalid-access-token"))
    wire.always = reply("data" if call == "download" else RESULTS.get(call))
    CALLS[call](connection)
    assert tokens(wire) == ["1", "2"]
    first, second = wire.requests
    assert (first.method, first.target) == (second.method, second.target)
    assert first.body.count(b"data") == second.body.count(b"data")
    assert connection.token == "canary-token-2"
    assert connection.api_endpoint == connection.endpoint.replace("//", "//canary-token-2@")


def test_a_call_is_repeated_only_once(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    wire.always = EXPIRED
    with pytest.raises(InvalidAccessTokenError):
        connection.get("streams")
    assert tokens(wire) == ["1", "2"]


@pytest.mark.parametrize("error_id", ["forbidden", "unknown-resource"])
def test_other_refusals_are_not_repeated(wire: Wire, connection: Connection, rotating: Rotating, error_id: str) -> None:
    wire.always = error_reply(403, error_id)
    with pytest.raises(ApiError):
        connection.post("events", EVENT)
    assert len(wire.requests) == 1


def test_without_another_token_the_refusal_is_raised(wire: Wire, connection: Connection) -> None:
    wire.always = EXPIRED
    with pytest.raises(InvalidAccessTokenError):
        connection.get("streams")
    assert len(wire.requests) == 1


def test_the_attributes_of_a_refusal(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    headers = {"DPoP-Nonce": "n1", "Date": "Thu, 01 Jan 2099 00:00:00 GMT"}
    wire.replies += [reply("<html>", 401, headers), EXPIRED]
    with pytest.raises(PryvError):
        connection.get("streams")
    connection.get("streams")
    first, second = rotating.refusals
    assert (first.token, first.error_id, first.headers.get("dpop-nonce")) == ("canary-token-1", None, "n1")
    assert first.clock_ahead is not None
    assert first.clock_ahead > 1e9
    assert (second.error_id, second.clock_ahead) == ("invalid-access-token", None)
    assert "canary" not in repr(second)
    assert "n1" not in repr(first)


def test_each_attempt_has_its_own_headers(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    wire.replies += [reply(status=503), EXPIRED, reply(status=503)]
    connection.get("streams", {"state": "all"})
    url = f"{wire.url}user/streams?state=all"
    assert attempts(wire) == [f"{number} GET {url}" for number in (1, 2, 3, 4)]
    assert tokens(wire) == ["1", "1", "2", "2"]


@pytest.mark.parametrize(("status", "error_id"), [(421, "wrong-core"), (301, "user-account-relocated")])
def test_after_a_move_the_headers_are_made_for_the_new_url(
    wire: Wire, other_wire: Wire, connection: Connection, rotating: Rotating, status: int, error_id: str
) -> None:
    moved = error_reply(status, error_id, data={"coreUrl": f"{other_wire.url}user/"})
    wire.always = moved
    other_wire.replies.append(EXPIRED)
    connection.get("streams")
    assert [*attempts(wire), *attempts(other_wire)] == [
        f"1 GET {wire.url}user/streams",
        f"3 GET {wire.url}user/streams",
        f"2 GET {other_wire.url}user/streams",
        f"4 GET {other_wire.url}user/streams",
    ]
    connection.get("streams")
    assert attempts(other_wire)[-1] == f"5 GET {other_wire.url}user/streams"


def test_a_token_that_is_due_is_renewed_before_the_request(
    wire: Wire, connection: Connection, rotating: Rotating
) -> None:
    rotating.is_due = True
    connection.get("streams")
    assert tokens(wire) == ["2"]


def test_a_repeated_creation_whose_first_attempt_was_lost_has_succeeded(
    wire: Wire, connection: Connection, rotating: Rotating
) -> None:
    event: dict[str, Any] = {**EVENT, "id": "c" * 25}
    lost = reply(status=503)
    wire.replies += [lost, EXPIRED, error_reply(409, "item-already-exists"), reply({"event": event})]
    assert connection.events.create(event)["id"] == event["id"]
    assert tokens(wire) == ["1", "1", "2", "2"]


def test_copies_share_the_credentials(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    other = connection.with_options(timeout=5)
    wire.replies.append(EXPIRED)
    other.get("streams")
    assert connection.token == other.token == "canary-token-2"


def test_a_renewal_does_not_affect_a_started_stream(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    wire.replies.append(chunked([b'{"events":[', b'{"id":"a"},', b'{"id":"b"}],"meta":{"serverTime":1}}']))
    events = connection.iter_events()
    next(events)
    rotating.number = 2
    assert [event["id"] for event in events] == ["b"]
    assert "canary" not in repr(events)


def test_access_info_is_that_of_the_current_token(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    wire.replies += [reply({"id": "first"}), reply({"id": "second"}), reply({"results": [{}]})]
    assert [connection.access_info()["id"] for _ in range(2)] == ["first", "first"]
    rotating.is_due = True
    connection.revoke()
    deletion = wire.requests[-1].json()
    assert deletion == [{"method": "accesses.delete", "params": {"id": "second"}}]
    assert len(wire.requests) == 3


def test_responses_set_the_clock_of_the_credentials(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    connection.get("streams")
    connection.get("events")
    assert rotating.clocks == [connection.delta_time]


def test_earlier_tokens_and_proofs_are_not_shown(
    wire: Wire, connection: Connection, rotating: Rotating, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    proof = "eyJ0eXAiOiJkcG9wK2p3dCJ9.eyJqdGkiOiJhIn0.c2lnbmF0dXJl-_"
    echo = {"message": f"canary-token-1 and canary-token-2, {proof}!", "data": {"seen": [proof]}}
    wire.replies += [EXPIRED, reply({"error": {"id": "forbidden", **echo}}, 403)]
    with pytest.raises(ApiError) as caught:
        connection.get("streams")
    shown = [str(caught.value), repr(caught.value.data), *traceback.format_exception(caught.value)]
    shown += [caplog.text, pickle.dumps(caught.value).decode("latin-1"), repr(connection), repr(rotating.refusals)]
    assert not [text for text in shown if "canary" in text or "eyJ" in text]
    assert caught.value.message == "*** and ***, ***!"
    assert repr(Authorization(rotating)) == "Authorization(***)"


def test_addons_use_the_current_token(wire: Wire, connection: Connection, rotating: Rotating) -> None:
    rotating.is_due = True
    assert bearer_token(connection) == "canary-token-2"
    unknown = ApiError("Cannot find access from token.", id="invalid-access-token")
    assert renew_token(connection, "canary-token-1", unknown)
    assert connection.token == "canary-token-2"
    assert renew_token(connection, "canary-token-2", unknown)
    assert connection.token == "canary-token-3"
    with wire.connection() as plain:
        assert bearer_token(plain) == wire.token
        assert not renew_token(plain, wire.token, unknown)


BOUND: dict[str, Any] = {
    "socket": lambda connection: connection.socket,
    "points": CALLS["points"],
    "batch of points": lambda connection: connection.add_points_batch({}),
    "read points": CALLS["read points"],
}


@pytest.mark.parametrize("call", BOUND)
def test_a_bound_token_is_refused_before_a_request(
    wire: Wire, connection: Connection, rotating: Rotating, call: str
) -> None:
    rotating.is_bound = True
    with pytest.raises(PryvError, match="not with a DPoP token"):
        BOUND[call](connection)
    assert not wire.requests
