"""The audit log: who called which method."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.accounts import Account
from tests.pryv.wire import Wire, reply
from tests.waiting import wait_for

from pryv import Connection, ForbiddenError
from pryv.types import Access, AccessCreate

READER: AccessCreate = {"name": "reader", "permissions": [{"streamId": "diary", "level": "read"}]}


@pytest.fixture
def watched(new_account: Callable[[], Account]) -> tuple[Connection, Access]:
    """An owner, and a shared access that has read events once, and was refused once."""
    owner = new_account()[2]
    owner.streams.create({"id": "diary", "name": "Diary"})
    shared = owner.accesses.create(READER)
    with Connection(shared["apiEndpoint"]) as reader:
        list(reader.iter_events({"streams": ["diary"]}))
        with pytest.raises(ForbiddenError):
            reader.events.create({"streamIds": ["diary"], "type": "note/txt", "content": "x"})
    wait_for(lambda: len(list(owner.audit(access=shared["id"]))) == 2)  # a platform may write its log later
    return owner, shared


def test_the_owner_sees_who_read(watched: tuple[Connection, Access]) -> None:
    owner, shared = watched
    refused, read = owner.audit(access=shared["id"])
    assert (read["type"], refused["type"]) == ("audit-log/pryv-api", "audit-log/pryv-api-error")
    assert (read["content"]["action"], refused["content"]["action"]) == ("events.get", "events.create")
    assert read["content"]["scopedStreamIds"] == ["diary"]
    assert refused["content"]["id"] == "forbidden"
    assert f":_audit:access-{shared['id']}" in read["streamIds"]
    assert [event["id"] for event in owner.audit(access=shared["id"], action="events.get")] == [read["id"]]
    assert read["id"] in [event["id"] for event in owner.audit(action="events.get")]
    assert list(owner.audit(access=shared["id"], action="webhooks.create")) == []


def test_all_calls_are_in_it(watched: tuple[Connection, Access]) -> None:
    owner, _ = watched
    writes = ["streams.create", "accesses.create", "events.create"]
    actions = [event["content"]["action"] for event in owner.audit({"sortAscending": True})]
    assert [action for action in actions if action in writes] == writes
    assert "events.get" in actions
    latest = list(owner.audit({"limit": 2, "types": ["audit-log/pryv-api-error"]}))
    assert [event["content"]["action"] for event in latest] == ["events.create"]


def test_calls_of_one_version_of_an_access_or_of_all(watched: tuple[Connection, Access]) -> None:
    owner, shared = watched
    updated = owner.accesses.update(shared["id"], {"name": "reads on"})
    with Connection(shared["apiEndpoint"]) as reader:
        list(reader.iter_events({"streams": ["diary"]}))
    wait_for(lambda: len(list(owner.audit(access=shared["id"]))) == 3)
    assert [event["content"]["action"] for event in owner.audit(access=updated["id"])] == ["events.get"]


def test_an_access_sees_its_own_calls(watched: tuple[Connection, Access]) -> None:
    _, shared = watched
    with Connection(shared["apiEndpoint"]) as reader:
        own = [event["content"]["action"] for event in reader.audit(access=shared["id"])]
        assert own[-2:] == ["events.create", "events.get"]
        for others in (reader.audit(), reader.audit(action="events.get"), reader.audit(access="x" * 24)):
            with pytest.raises(ForbiddenError):
                next(others)


@pytest.mark.parametrize(
    ("chosen", "streams"),
    [
        ({}, ":_audit:accesses"),
        ({"access": "a"}, ":_audit:access-a"),
        ({"access": "a/../b?c#d:3"}, ":_audit:access-a/../b?c#d:3"),
        ({"action": "events.get"}, ":_audit:action-events.get"),
        (
            {"access": "a", "action": "events.get"},
            json.dumps({"any": [":_audit:access-a"], "all": [":_audit:action-events.get"]}, separators=(",", ":")),
        ),
    ],
)
def test_the_query_of_an_audit_request(
    wire: Wire, connection: Connection, chosen: dict[str, Any], streams: str
) -> None:
    wire.always = reply('{"events":[{"id":"x"}],"meta":{"serverTime":1}}')
    with connection.audit({"limit": 3, "types": ["audit-log/pryv-api"]}, **chosen) as events:
        assert wire.requests == []
        assert [event["id"] for event in events] == ["x"]
    assert events.events_count == 1
    assert dict(parse_qsl(urlsplit(wire.requests[0].target).query)) == {
        "limit": "3",
        "types": "audit-log/pryv-api",
        "streams": streams,
    }


def test_arguments_are_checked(wire: Wire, connection: Connection) -> None:
    odd: Any
    for odd in (5, b"x", ["x"], {}):
        with pytest.raises(TypeError):
            connection.audit(access=odd)
        with pytest.raises(TypeError):
            connection.audit(action=odd)
    for odd in (5, b"x", ["x"], "x"):
        with pytest.raises(TypeError):
            connection.audit(odd)
    for odd in ("", ".", "..", "a:x"):
        with pytest.raises(ValueError, match="access"):
            connection.audit(access=odd)
    with pytest.raises(ValueError, match="action is empty"):
        connection.audit(action="")
    with pytest.raises(ValueError, match="streams"):
        connection.audit({"streams": ["diary"]})
    assert wire.requests == []
