"""The audit log: behaviour that is not in the recordings."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from pryv_sandbox import Account, Sandbox

from .caller import Caller
from .raw_socket import RawSocket


@pytest.fixture
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


@pytest.fixture
def owner(pryv_sandbox: Sandbox, account: Account) -> Caller:
    owner = Caller(pryv_sandbox.url, account.username, account.token)
    owner.add_streams("diary", "other")
    owner.add_event("diary")
    return owner


def logged(owner: Caller, *stream_ids: str, **params: Any) -> list[dict[str, Any]]:
    """The events of the log in these streams, oldest first, without the prefix of the log."""
    params = {"limit": 1000, "sortAscending": "true", **params}
    events: list[dict[str, Any]] = owner.get(
        "events", streams=json.dumps([f":_audit:{item}" for item in stream_ids]), **params
    )["events"]
    return events


def contents(owner: Caller, *stream_ids: str) -> list[dict[str, Any]]:
    return [event["content"] for event in logged(owner, *stream_ids)]


def test_scope_of_the_owners_reads_is_a_wildcard(owner: Caller) -> None:
    owner.get("events")
    (content,) = contents(owner, "action-events.get")
    assert content["scopedStreamIds"] == ["*"]
    assert content["scopedStreamCount"] > 2
    assert content["recordCount"] > 1  # the fields of the account too


def test_scope_of_named_streams(owner: Caller) -> None:
    owner.add_streams("below", under="diary")
    owner.get("events", streams=["other", "diary"])
    (content,) = contents(owner, "action-events.get")
    assert content["scopedStreamIds"] == ["other", "diary", "below"]
    assert content["recordCount"] == 1
    assert content["query"] == {"streams": ["other", "diary"]}


def test_calls_over_a_socket_are_logged(pryv_sandbox: Sandbox, account: Account, owner: Caller) -> None:
    with RawSocket(pryv_sandbox, account.username, account.token) as raw:
        raw.connect()
        raw.call("events.get", {"streams": ["diary"]})
        raw.call("callBatch", [{"method": "events.getOne", "params": {"id": "none"}}])
    sources = [content["source"] for content in contents(owner, "action-events.get", "action-events.getOne")]
    assert sources == [{"name": "socket.io", "ip": "127.0.0.1"}] * 2


def test_each_call_of_a_batch_is_logged_and_then_the_batch(owner: Caller) -> None:
    owner.batch(("events.get", {"streams": ["diary"]}), ("events.getOne", {"id": "none"}), ("no.method", {}))
    events = logged(owner, "accesses")[-3:]
    assert [event["content"]["action"] for event in events] == ["events.get", "events.getOne", "callBatch"]
    assert [event["type"].removeprefix("audit-log/pryv-api") for event in events] == ["", "-error", ""]
    assert events[0]["content"]["recordCount"] == 1
    assert "recordCount" not in events[2]["content"]


def test_callers_without_an_access_are_logged(pryv_sandbox: Sandbox, account: Account, owner: Caller) -> None:
    owner.call("GET", "events", 403, headers={"Authorization": "nonsense"})
    owner.call("GET", "events", 401, headers={})
    wrong = {"username": account.username, "password": "wrong", "appId": "pryv-sandbox"}
    owner.call("POST", "auth/login", 401, json=wrong, headers={})
    owner.post("account/request-password-reset", {"appId": "pryv-sandbox"}, 200)
    assert [content["action"] for content in contents(owner, "access-invalid")] == ["events.get"] * 2 + ["auth.login"]
    assert [content["action"] for content in contents(owner, "access-password-reset-request")] == [
        "account.requestPasswordReset"
    ]


def test_no_secret_is_logged(account: Account, owner: Caller) -> None:
    owner.call("GET", "access-info", headers={}, params={"auth": account.token})
    owner.post("account/change-password", {"oldPassword": account.password, "newPassword": "another-one"}, 200)
    log = json.dumps(logged(owner, "accesses"))
    assert account.token not in log
    assert account.password not in log
    assert "another-one" not in log


def test_a_changed_access_is_logged_with_its_version(owner: Caller) -> None:
    access = owner.post("accesses", {"name": "a", "permissions": [{"streamId": "diary", "level": "read"}]})["access"]
    owner.put(f"accesses/{access['id']}", {"name": "b"})
    reader = Caller(owner.url, owner.username, access["token"])
    reader.call("GET", "events", headers={"Authorization": f"{access['token']} me"})
    (event,) = logged(owner, f"access-{access['id']}")
    assert event["streamIds"][:2] == [f":_audit:access-{access['id']}", f":_audit:access-{access['id']}:1"]
    assert event["content"]["callerId"] == "me"


def test_downloads_are_logged(owner: Caller) -> None:
    files = {"event": (None, '{"streamIds": ["diary"], "type": "file/attached"}'), "file": ("a.txt", b"text")}
    event = owner.call("POST", "events", 201, files=files)["event"]
    url = f"{owner.url}{owner.username}/events/{event['id']}/{event['attachments'][0]['id']}"
    assert requests.get(url, headers={"Authorization": owner.token}, timeout=5).ok
    assert len(contents(owner, "action-events.getAttachment")) == 1


def test_a_read_that_is_cut_is_logged_as_such(pryv_sandbox: Sandbox, owner: Caller) -> None:
    pryv_sandbox.faults.cut(after_bytes=1)
    with pytest.raises(requests.RequestException):
        owner.get("events", streams=["diary"])
    (content,) = contents(owner, "action-events.get")
    assert content["recordCountIncomplete"] is True


def test_one_event_of_the_log_can_be_read_and_none_be_changed(owner: Caller) -> None:
    event = logged(owner, "accesses")[0]
    assert owner.get(f"events/{event['id']}")["event"] == event
    owner.put(f"events/{event['id']}", {"content": {"source": {}, "action": "none"}}, 400)
    owner.delete(f"events/{event['id']}", 400)
    forged = {"content": {"source": {}, "action": "none"}, "streamIds": event["streamIds"], "type": event["type"]}
    owner.post("events", forged, 400)
    assert owner.get(f"events/{event['id']}")["event"] == event


def test_each_store_has_its_own_limit(owner: Caller) -> None:
    owner.add_event("diary")
    found = owner.get("events", streams='["diary", ":_audit:accesses"]', limit=1)["events"]
    assert [event["type"] for event in found] == ["note/txt", "audit-log/pryv-api"]
