"""The resource `events`: events are created, read, changed and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.accounts import Account
from tests.pryv.wire import Wire, error_reply, reply

from pryv import (
    ApiError,
    Connection,
    ForbiddenError,
    ItemAlreadyExistsError,
    PryvConnectionError,
    PryvProtocolError,
    ServerError,
    UnknownResourceError,
)
from pryv.utils import new_event_id
from pryv_sandbox import Sandbox

EVENT: dict[str, Any] = {"id": "e", "streamIds": ["diary"], "type": "note/txt", "time": 1.5}


@pytest.fixture(scope="module")
def account(module_account: Account) -> Connection:
    """The owner of an account with a diary."""
    module_account[2].streams.ensure({"id": "diary", "name": "Diary"})
    return module_account[2]


def note(text: str, **members: Any) -> dict[str, Any]:
    return {"streamIds": ["diary"], "type": "note/txt", "content": text, **members}


def notes(count: int) -> Iterator[dict[str, Any]]:
    return (note(str(number)) for number in range(count))


def in_chunks(connection: Connection, size: int) -> Connection:
    return Connection(connection.api_endpoint, chunk_size=size)


def texts(events: list[Any]) -> list[str]:
    return [event["content"] for event in events]


# ---- one event


def test_an_event_from_its_creation_to_its_end(account: Connection) -> None:
    event = account.events.create(note("first", time=1.5))
    assert (event["content"], event["time"], event["streamIds"]) == ("first", 1.5, ["diary"])
    assert account.events.get(event["id"]) == event
    changed = account.events.update(event["id"], {"content": "second", "description": "changed"})
    assert (changed["content"], changed["description"]) == ("second", "changed")
    trashed = account.events.delete(event["id"])
    assert (trashed["trashed"], trashed["content"]) == (True, "second")
    assert account.events.delete(event["id"], permanently=True)["id"] == event["id"]


def test_former_versions_come_with_an_event(account: Connection) -> None:
    made = account.events.create(note("first"))
    account.events.update(made["id"], {"content": "second"})
    event, versions = account.events.get_with_history(made["id"])
    assert event["content"] == "second"
    assert texts(versions) in (["first"], [])  # as far as the platform keeps them


def test_an_event_with_an_id_is_created_once(account: Connection) -> None:
    event = note("once", id=new_event_id())
    assert account.events.create(event)["id"] == event["id"]
    with pytest.raises(ItemAlreadyExistsError, match=r"^events\.create: "):
        account.events.create({**event, "content": "twice"})


def test_a_lost_response_is_no_second_event(wire: Wire, connection: Connection) -> None:
    event = note("x", id="c" * 25)
    wire.replies += [reply(then="reset"), error_reply(409, "item-already-exists"), reply({"event": event})]
    wire.replies[0] = wire.replies[0].__class__(b"", "reset")
    assert connection.events.create(event) == event
    assert [(request.method, request.target) for request in wire.requests] == [
        *[("POST", "/user/events")] * 2,
        ("GET", f"/user/events/{event['id']}"),
    ]


def test_an_event_without_an_id_is_sent_once(wire: Wire, connection: Connection) -> None:
    wire.always = wire.always.__class__(b"", "reset")
    with pytest.raises(PryvConnectionError):
        connection.events.create(note("x"))
    assert len(wire.requests) == 1


@pytest.mark.parametrize("odd", ["", ".", ".."])
def test_an_id_is_one_segment(wire: Wire, connection: Connection, odd: str) -> None:
    events = connection.events
    calls: list[Callable[[], Any]] = [
        lambda: events.get(odd),
        lambda: events.get_with_history(odd),
        lambda: events.update(odd, {}),
        lambda: events.delete(odd),
        lambda: events.delete(odd, permanently=True),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="id"):
            call()
    assert wire.requests == []


def test_an_id_is_encoded(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"event": EVENT})
    connection.events.get("a/b?c")
    assert wire.requests[0].target == "/user/events/a%2Fb%3Fc"


def test_events_that_are_not_dicts_are_refused_before_any_request(wire: Wire, connection: Connection) -> None:
    odd: Any
    for odd in (None, [], "x", 5):
        with pytest.raises(TypeError, match="event is a dict"):
            connection.events.create(odd)
        with pytest.raises(TypeError, match="changes is a dict"):
            connection.events.update("x", odd)
        with pytest.raises(TypeError, match="event 1 is a dict"):
            connection.events.create_many([note("x"), odd])
    for odd in (None, {}, "x", b"x", 5):
        with pytest.raises(TypeError, match="events is an iterable"):
            connection.events.create_many(odd)
    assert wire.requests == []


def test_a_result_without_an_event_is_a_protocol_error(wire: Wire, connection: Connection) -> None:
    wire.always = reply({"event": 5})
    with pytest.raises(PryvProtocolError, match="'event'"):
        connection.events.create(note("x"))


# ---- the trash


def test_delete_moves_an_event_to_the_trash(account: Connection) -> None:
    event = account.events.create(note("kept"))
    for _ in range(3):
        assert account.events.delete(event["id"])["trashed"] is True
    assert account.events.get(event["id"])["content"] == "kept"
    assert "trashed" not in account.events.update(event["id"], {"trashed": False})


@pytest.mark.parametrize("in_trash", [False, True])
def test_a_permanent_deletion_makes_both_steps(account: Connection, in_trash: bool) -> None:
    event = account.events.create(note("gone"))
    if in_trash:
        account.events.delete(event["id"])
    assert account.events.delete(event["id"], permanently=True)["id"] == event["id"]
    again = account.events.delete(event["id"], permanently=True)
    assert again["id"] == event["id"]
    assert again["deleted"] > 0
    assert {**account.events.get(event["id"])} == again


def test_an_unknown_event_cannot_be_deleted(account: Connection) -> None:
    for permanently in (False, True):
        with pytest.raises(UnknownResourceError):
            account.events.delete(new_event_id(), permanently)


def test_a_server_error_is_not_taken_for_a_deletion(wire: Wire, connection: Connection) -> None:
    failure = error_reply(500, "unexpected-error")
    for read in (reply({"event": EVENT}), error_reply(403, "forbidden"), failure):
        wire.replies += [failure, read]
        with pytest.raises(ServerError, match=r"^events\.delete: "):
            connection.events.delete("e", permanently=True)
        wire.replies.clear()


def test_a_token_that_may_not_update_deletes(wire: Wire, connection: Connection) -> None:
    wire.replies += [error_reply(403, "forbidden"), reply({"event": {**EVENT, "trashed": True}})]
    assert connection.events.delete("e")["trashed"] is True
    assert [request.method for request in wire.requests] == ["PUT", "DELETE"]


def test_a_token_that_may_only_create_cannot_delete(account: Connection) -> None:
    permissions = [{"streamId": "diary", "level": "create-only"}]
    asked: dict[str, Any] = {"name": new_event_id(), "permissions": permissions}
    with Connection(account.accesses.create(asked)["apiEndpoint"]) as writer:
        event = writer.events.create(note("written"))
        for permanently in (False, True):
            with pytest.raises(ForbiddenError):
                writer.events.delete(event["id"], permanently)
    assert account.events.get(event["id"])["content"] == "written"


# ---- many events


@settings(max_examples=25)
@given(count=st.integers(0, 12), size=st.integers(1, 5), lazily=st.booleans())
def test_many_are_created_in_order(account: Connection, count: int, size: int, lazily: bool) -> None:
    shown: list[tuple[int | None, int]] = []
    with in_chunks(account, size) as connection:
        events = connection.events.create_many(
            notes(count) if lazily else list(notes(count)),
            lambda percent, created: shown.append((percent, len(created))),
        )
    assert texts(events) == [str(number) for number in range(count)]
    done = [min(count, size * batch) for batch in range(1, -(-count // size) + 1)]
    assert shown == [(None if lazily else int(100 * number / count + 0.5), number) for number in done]


def test_progress_may_take_the_percentage_alone(account: Connection) -> None:
    shown: list[int | None] = []
    account.events.create_many(list(notes(2)), shown.append)
    assert shown == [100]


@settings(max_examples=25)
@given(first_bad=st.integers(0, 9), size=st.integers(1, 4))
def test_the_first_refusal_is_raised_and_nothing_after_its_batch_is_sent(
    account: Connection, first_bad: int, size: int
) -> None:
    read = 0

    def lazily() -> Iterator[dict[str, Any]]:
        nonlocal read
        for number in range(10):
            read += 1
            yield note(str(number), **({"streamIds": ["nowhere"]} if number == first_bad else {}))

    with in_chunks(account, size) as connection, pytest.raises(UnknownResourceError) as refused:
        connection.events.create_many(lazily())
    last = min(10, (first_bad // size + 1) * size)
    assert refused.value.index == first_bad
    assert str(refused.value).startswith(f"call {first_bad}: events.create: ")
    assert texts(refused.value.results) == [str(number) for number in range(last) if number != first_bad]
    assert read == last


def test_events_without_a_json_form_are_named_by_their_number(account: Connection) -> None:
    events = [*notes(3), note("bad", content={"x": float("nan")})]
    with in_chunks(account, 2) as connection, pytest.raises(ValueError, match=r"call 3: content\.x: "):
        connection.events.create_many(events)
    with in_chunks(account, 2) as connection, pytest.raises(ValueError, match=r"call 3: content\.x: ") as refused:
        connection.events.create_many(iter(events))
    assert texts(refused.value.results) == ["0", "1"]  # type: ignore[attr-defined]


def test_an_interruption_leaves_what_was_created(account: Connection) -> None:
    def interrupted() -> Iterator[dict[str, Any]]:
        yield from notes(4)
        raise KeyboardInterrupt

    with in_chunks(account, 2) as connection, pytest.raises(KeyboardInterrupt) as stopped:
        connection.events.create_many(interrupted())
    assert texts(stopped.value.results) == ["0", "1", "2", "3"]  # type: ignore[attr-defined]


def test_a_batch_of_events_with_ids_is_sent_again(sandbox: Sandbox, new_account: Callable[[], Account]) -> None:
    owner = new_account()[2]
    owner.streams.ensure({"id": "diary", "name": "Diary"})
    sandbox.faults.cut(times=1, method="POST", path="/$")
    events = owner.events.create_many([note(str(number), id=new_event_id()) for number in range(3)])
    assert texts(events) == ["0", "1", "2"]
    assert sorted(texts(list(owner.iter_events({"streams": ["diary"]})))) == ["0", "1", "2"]


def test_a_batch_with_an_event_without_an_id_is_not(wire: Wire, connection: Connection) -> None:
    wire.always = wire.always.__class__(b"", "reset")
    with pytest.raises(PryvConnectionError):
        connection.events.create_many([note("x", id=new_event_id()), note("y")])
    assert len(wire.requests) == 1


def test_a_batch_without_events_in_its_results_is_a_protocol_error(wire: Wire, connection: Connection) -> None:
    wire.replies += [reply({"results": [{"event": EVENT}, {}]})]
    with pytest.raises(PryvProtocolError, match="no event") as failed:
        connection.events.create_many([note("x"), note("y")])
    assert failed.value.results == [EVENT]  # type: ignore[attr-defined]


def test_an_error_has_the_name_of_its_method(account: Connection) -> None:
    bad = note("x", type="no type")
    with pytest.raises(ApiError) as refused:
        account.events.create(bad)
    assert (refused.value.method, refused.value.status) == ("events.create", 400)
