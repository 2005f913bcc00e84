"""The published JavaScript client works with the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.peers.javascript import Node

from pryv_sandbox import Account, Sandbox

SCRIPT = Path(__file__).parent / "js" / "client.cjs"


@pytest.fixture(scope="module")
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


@pytest.fixture(scope="module")
def outcome(node: Node, pryv_sandbox: Sandbox, account: Account) -> dict[str, Any]:
    """What the client made of the platform, by step."""
    output = node.run(SCRIPT, pryv_sandbox.service_info_url, account.username, account.password)
    outcome: dict[str, Any] = json.loads(output.splitlines()[-1])
    return outcome


def test_logs_in(outcome: dict[str, Any], account: Account) -> None:
    assert outcome["login"] == {"type": "personal", "username": account.username}


def test_writes_a_batch(outcome: dict[str, Any]) -> None:
    assert outcome["batch"] == {"results": 1001, "errors": 0, "progress": [100, 100]}


def test_streams_events_back(outcome: dict[str, Any]) -> None:
    assert outcome["stream"] == {
        "count": 1000,
        "first": "sample 0",
        "last": "sample 999",
        "distinct": 1000,
    }


def test_is_given_access(outcome: dict[str, Any]) -> None:
    assert outcome["authRequest"] == {
        "states": ["LOADING", "INITIALIZED", "NEED_SIGNIN", "ACCEPTED"],
        "type": "app",
        "name": "js-client-tests",
    }


def test_calls_and_is_notified_over_a_socket(outcome: dict[str, Any]) -> None:
    assert outcome["socket"] == {"content": "by socket", "notification": "eventsChanged"}
