"""The published JavaScript client works with the sandbox."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pryv_sandbox import Account, Sandbox

SCRIPTS = Path(__file__).parent / "js"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client installed and the script that uses it."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("js") / "client"
    shutil.copytree(SCRIPTS, folder)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if installed.returncode:
        pytest.skip(f"npm cannot install the client: {installed.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def account(pryv_sandbox: Sandbox) -> Account:
    return pryv_sandbox.create_account()


@pytest.fixture(scope="module")
def outcome(client: Path, pryv_sandbox: Sandbox, account: Account) -> dict[str, Any]:
    """What the client made of the platform, by step."""
    command = ["node", "client.cjs", pryv_sandbox.service_info_url, account.username, account.password]
    done = subprocess.run(command, cwd=client, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
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
