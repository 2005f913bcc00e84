"""Shared secrets: what the recordings do not show, and the vectors of the JavaScript client's bodies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from pryv_sandbox import Sandbox

from .caller import Caller

SECRET = {"ttl": 60, "title": "a key", "onConsumed": {"message": "It was read before."}, "secret": {"a": 1}}


@pytest.fixture
def app(owner: Caller) -> Caller:
    owner.add_streams("diary")
    return owner.grant(diary="read")


def create(caller: Caller, expect: int = 201, **changes: Any) -> Any:
    return caller.post("shared-secrets", {**SECRET, **changes}, expect)


def retrieve(caller: Caller, key: str, expect: int = 200, **proof: Any) -> Any:
    body = {"key": key, **({"signature": proof} if proof else {})}
    return caller.call("POST", "shared-secrets/retrieve", expect, json=body, headers={})


def test_one_of_many_gets_it(owner: Caller) -> None:
    key = create(owner)["sharedSecret"]["key"]
    url = f"{owner.url}{owner.username}/shared-secrets/retrieve"
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: requests.post(url, json={"key": key}, timeout=10), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [403] * 15


def test_a_spent_secret_is_kept_nowhere(pryv_sandbox: Sandbox, owner: Caller) -> None:
    proof = {"type": "secret", "value": "a passphrase"}
    spent = create(owner, secret="spent words", signature=proof)["sharedSecret"]
    retrieve(owner, spent["key"], type="secret", payload="a passphrase")
    dropped = create(owner, secret="dropped words", signature=proof)["sharedSecret"]
    owner.delete(f"events/{dropped['id']}")
    dump = "\n".join(pryv_sandbox._platform.db.iterdump())
    for text in ("spent words", "dropped words", "a passphrase"):
        assert text not in dump


def test_its_key_is_not_in_the_audit_log(owner: Caller) -> None:
    key = create(owner)["sharedSecret"]["key"]
    retrieve(owner, key)
    log = owner.get("events", streams='[":_audit:accesses"]', limit=1000)["events"]
    assert "sharedSecrets.retrieve" in [event["content"]["action"] for event in log]
    assert key.partition(".")[2] not in str(log)


@pytest.mark.parametrize(
    ("changes", "error_id"),
    [
        ({"ttl": True}, "invalid-ttl"),
        ({"ttl": "60"}, "invalid-ttl"),
        ({"title": "  "}, "invalid-title"),
        ({"onConsumed": "gone"}, "invalid-on-consumed"),
        ({"onConsumed": {"message": ""}}, "invalid-on-consumed"),
        ({"onConsumed": {"message": "m", "returnUrl": "https://with space"}}, "invalid-return-url"),
        ({"secret": "é" * 2048}, "too-large"),
        ({"keyHash": None}, "invalid-key-hash"),
        ({"keyHash": "A" * 64}, "invalid-key-hash"),
        ({"signature": "none"}, "invalid-signature"),
        ({"signature": {"type": "secret", "value": 1}}, "invalid-signature"),
    ],
)
def test_refuses_what_is_not_valid(owner: Caller, changes: dict[str, Any], error_id: str) -> None:
    assert create(owner, 400, **changes)["error"]["data"] == {"id": f"shared-secret-{error_id}"}


def test_an_app_sees_its_own_items_only(owner: Caller, app: Caller) -> None:
    own, others = create(app)["sharedSecret"], create(owner)["sharedSecret"]
    app.get(f"events/{own['id']}")
    app.get(f"events/{others['id']}", 403)
    app.delete(f"events/{others['id']}", 403)
    app.get("events", 403, streams='[":_shared-secrets:"]')
    listed = owner.get("events", streams='[":_shared-secrets:"]', limit=10)["events"]
    assert [event["id"] for event in listed] == [others["id"], own["id"]]
    assert owner.get("events", limit=100, types=["shared-secret/item"])["events"] == []


def test_an_ordinary_event_is_no_secret(owner: Caller) -> None:
    owner.add_streams("diary")
    event = owner.add_event("diary")
    retrieve(owner, f"{event['id']}.{'A' * 32}", 404)
