"""Events created with their own id: a lost response is replaced, and no event is created twice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.pryv.wire import FAST, Reply, Wire, error_reply, reply

from pryv import ERRORS, Connection, ItemAlreadyExistsError, PryvConnectionError, PryvProtocolError
from pryv.utils import new_event_id

if TYPE_CHECKING:
    from pryv_sandbox import Sandbox

BATCH = r"^/[^/]+/$"


def event(**members: Any) -> dict[str, Any]:
    return {
        "id": new_event_id(),
        "streamIds": ["diary"],
        "type": "note/txt",
        "content": secrets.token_hex(4),
        "time": 1500000000.25,
        **members,
    }


def creation(params: dict[str, Any]) -> dict[str, Any]:
    return {"method": "events.create", "params": params}


@pytest.fixture
def owner(sandbox: Sandbox) -> Iterator[Connection]:
    """A connection with a personal token, to an account with a stream."""
    with Connection(sandbox.create_account().api_endpoint, retry=FAST, timeout=2) as connection:
        connection.post("streams", {"id": "diary", "name": "Diary"})
        yield connection


def stored(owner: Connection) -> list[dict[str, Any]]:
    with owner.iter_events({"streams": ["diary"], "state": "all"}) as events:
        return [dict(found) for found in events]


SENT = [
    event(),
    event(content={"a": [1, 2.5, None, "é"]}, type="test/object"),
    event(content=None, type="activity/plain", duration=12.5, trashed=False),
    event(description="", clientData={"a": {"b": None}}, trashed=True),
]


@pytest.mark.parametrize("sent", SENT, ids=["text", "object", "plain", "more members"])
@pytest.mark.parametrize("executed", [True, False])
def test_a_creation_whose_response_was_lost_has_succeeded(
    sandbox: Sandbox, owner: Connection, sent: dict[str, Any], executed: bool
) -> None:
    sandbox.faults.cut(method="POST", executed=executed)
    created = owner.post("events", sent)["event"]
    assert created == stored(owner)[0]
    assert {key: created.get(key, value) for key, value in sent.items()} == sent
    assert len(stored(owner)) == 1


@pytest.mark.parametrize("change", [{"content": "other"}, {"time": 1.0}, {"streamIds": ["other"]}])
def test_an_id_of_another_event_is_an_error(sandbox: Sandbox, owner: Connection, change: dict[str, Any]) -> None:
    owner.post("streams", {"id": "other", "name": "Other"})
    there = event()
    owner.post("events", {**there, **change})
    sandbox.faults.cut(method="POST", executed=False)
    with pytest.raises(ItemAlreadyExistsError):
        owner.post("events", there)
    sandbox.faults.cut(method="POST", executed=False, path=BATCH)
    (result,) = owner.api([creation(there)])
    assert result["error"]["id"] == ERRORS.ITEM_ALREADY_EXISTS


def test_creating_the_same_event_again_is_an_error(owner: Connection) -> None:
    sent = event()
    owner.post("events", sent)
    with pytest.raises(ItemAlreadyExistsError) as failed:
        owner.post("events", sent)
    assert failed.value.status == 409
    (result,) = owner.api([creation(sent)])
    assert result["error"]["id"] == ERRORS.ITEM_ALREADY_EXISTS


def test_a_token_that_cannot_read_raises_the_error(sandbox: Sandbox, owner: Connection) -> None:
    access = owner.post("accesses", {"name": "writer", "permissions": [{"streamId": "diary", "level": "create-only"}]})[
        "access"
    ]
    with Connection(access["apiEndpoint"], retry=FAST, timeout=2) as writer:
        sandbox.faults.cut(method="POST")
        with pytest.raises(ItemAlreadyExistsError):
            writer.post("events", event())
        sandbox.faults.cut(method="POST")
        (result,) = writer.api([creation(event())])
        assert result["error"]["id"] == ERRORS.ITEM_ALREADY_EXISTS
    assert len(stored(owner)) == 2


def test_a_batch_whose_response_was_lost_has_succeeded(sandbox: Sandbox, owner: Connection) -> None:
    taken = event()
    owner.post("events", {**taken, "content": "other"})
    sent = [event() for _ in range(5)]
    sandbox.faults.cut(method="POST", path=BATCH)
    calls = [*(creation(item) for item in sent[:3]), creation(taken), *(creation(item) for item in sent[3:])]
    results = owner.api([*calls, {"method": "events.get", "params": {"limit": 1}}])
    assert [result.get("event", {}).get("id") for result in results[:3]] == [item["id"] for item in sent[:3]]
    assert results[3]["error"]["id"] == ERRORS.ITEM_ALREADY_EXISTS
    assert [result["event"]["content"] for result in results[4:6]] == [item["content"] for item in sent[3:]]
    assert len(results[6]["events"]) == 1
    assert len(stored(owner)) == 6


def test_a_batch_sent_again_reads_its_events_with_one_request(wire: Wire, connection: Connection) -> None:
    sent = [event() for _ in range(3)]
    taken = {"error": {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": "taken"}}
    there = [{"event": sent[0]}, {"event": {**sent[1], "content": "other"}}, {"error": {"id": ERRORS.FORBIDDEN}}]
    wire.replies.extend([Reply(b"", "reset"), reply({"results": [taken] * 3}), reply({"results": there})])
    assert connection.api([creation(item) for item in sent]) == [there[0], taken, taken]
    assert [call["params"]["id"] for call in wire.requests[2].json()] == [item["id"] for item in sent]


@pytest.mark.parametrize("found", [None, 5, [], {}, {"event": None}, {"error": {"id": ERRORS.UNKNOWN_RESOURCE}}])
def test_a_batch_sent_again_reads_the_taken_ids_only(wire: Wire, connection: Connection, found: Any) -> None:
    created, refused, taken, lost = (event() for _ in range(4))
    is_taken = {"error": {"id": ERRORS.ITEM_ALREADY_EXISTS, "message": "taken"}}
    is_refused = {"error": {"id": ERRORS.INVALID_PARAMETERS_FORMAT, "message": "refused"}}
    results = [{"event": created}, is_refused, is_taken, is_taken]
    wire.replies.extend([Reply(b"", "reset"), reply({"results": results})])
    wire.replies.append(reply({"results": [found, {"event": lost}]}))
    calls = [creation(item) for item in (created, refused, taken, lost)]
    assert connection.api(calls) == [*results[:3], {"event": lost}]
    assert [call["params"]["id"] for call in wire.requests[2].json()] == [taken["id"], lost["id"]]


def test_a_batch_sent_again_whose_ids_are_free_reads_nothing(wire: Wire, connection: Connection) -> None:
    sent = event()
    wire.replies.extend([Reply(b"", "reset"), reply({"results": [{"event": sent}]})])
    assert connection.api([creation(sent)]) == [{"event": sent}]
    assert len(wire.requests) == 2


def test_ids_are_never_added_silently(wire: Wire, connection: Connection) -> None:
    connection.post("events", {"type": "note/txt"})
    wire.replies.append(reply({"results": [{}]}))
    connection.api([creation({"type": "note/txt"})])
    assert wire.requests[0].json() == {"type": "note/txt"}
    assert wire.requests[1].json() == [creation({"type": "note/txt"})]


@pytest.mark.parametrize(
    "answer", [error_reply(403, "forbidden"), error_reply(404, "unknown-resource"), reply({}), reply({"event": []})]
)
def test_an_event_that_cannot_be_read_is_an_error(wire: Wire, connection: Connection, answer: Reply) -> None:
    wire.replies.extend([Reply(b"", "reset"), error_reply(409, ERRORS.ITEM_ALREADY_EXISTS), answer])
    with pytest.raises(ItemAlreadyExistsError):
        connection.post("events", event())
    assert [request.method for request in wire.requests] == ["POST", "POST", "GET"]


def test_a_second_attempt_refused_for_another_reason(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([Reply(b"", "reset"), error_reply(400, ERRORS.INVALID_PARAMETERS_FORMAT)])
    with pytest.raises(Exception, match=ERRORS.INVALID_PARAMETERS_FORMAT):
        connection.post("events", event())
    assert len(wire.requests) == 2


def test_a_lost_connection_while_reading_back(wire: Wire, connection: Connection) -> None:
    wire.replies.extend([Reply(b"", "reset"), error_reply(409, ERRORS.ITEM_ALREADY_EXISTS)])
    wire.always = Reply(b"", "reset")
    with pytest.raises(PryvConnectionError):
        connection.post("events", event())
    assert len(wire.requests) == 5


@pytest.mark.parametrize("results", [[5], [None], ["x"], [[]], {}, [{}, {}], None])
def test_odd_results_of_a_batch_sent_twice(wire: Wire, connection: Connection, results: Any) -> None:
    wire.replies.extend([Reply(b"", "reset"), reply({"results": results})])
    with pytest.raises(PryvProtocolError):
        connection.api([creation(event())])
