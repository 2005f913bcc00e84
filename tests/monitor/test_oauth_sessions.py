"""Monitors of OAuth sessions, whose tokens are renewed while they run, or between their runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for

from pryv import Connection
from pryv.auth import FileStore
from pryv.auth._profiles import Profile
from pryv.oauth import FileTokenStore, MemoryTokenStore, OAuthClient, TokenStore
from pryv.oauth._profiles import client_of
from pryv_monitor import EventsTimer, Monitor, SocketUpdates, SQLiteMirror, UpdateMethod
from pryv_sandbox import Sandbox

JOB = Path(__file__).parent / "job.py"
SCOPE: dict[str, Any] = {"streams": ["diary"]}
EVENT: Any = {"streamIds": ["diary"], "type": "note/txt", "content": "x"}
DAY, TICK = 24 * 3600, 1800
CALLBACK = "http://127.0.0.1/callback"


def owner_on(sandbox: Sandbox) -> Connection:
    """The account of a person whom a client may ask for the diary."""
    offers: Any = {"diary": [{"streamId": "diary", "level": "read"}]}
    sandbox.register_oauth_client("study-app", redirect_uris=[CALLBACK], offers=offers)
    owner = Connection(sandbox.create_account().api_endpoint)
    owner.streams.ensure({"id": "diary", "name": "Diary"})
    return owner


def logged_in(sandbox: Sandbox, owner: Connection, store: TokenStore, *, dpop: bool = False) -> Connection:
    client = OAuthClient(sandbox.url, "study-app", scope="cmc:diary", store=store, dpop=dpop)
    request = client.authorization_request()
    return client.handle_callback(sandbox.accept_oauth(request.url, owner.username()), request)


@pytest.mark.parametrize(
    ("method", "dpop"), [(SocketUpdates(), False), (EventsTimer(0.2), False), (EventsTimer(0.2), True)]
)
def test_a_started_monitor_outlives_its_tokens(expiring: Sandbox, method: UpdateMethod, dpop: bool) -> None:
    delivered: list[Any] = []
    errors: list[Any] = []
    tokens: set[str | None] = set()
    owner = owner_on(expiring)
    with owner, logged_in(expiring, owner, MemoryTokenStore(), dpop=dpop) as connection:
        monitor = Monitor(connection, SCOPE).on("event", delivered.append).on("error", errors.append)
        with monitor.add_update_method(method):
            created = []
            while len(tokens) < 3:
                created.append(owner.events.create(EVENT)["id"])
                tokens.add(connection.token)
                time.sleep(0.1)
            wait_for(lambda: len(delivered) == len(created))
    assert [event["id"] for event in delivered] == created
    assert not errors


def test_commands_follow_a_session_with_a_key_by_timer(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = Profile(FileStore(tmp_path / ".config" / "pryv"))
    with owner_on(sandbox) as owner:
        owner.events.create(EVENT)
        session: Any = {"authorizationServer": sandbox.url, "clientId": "study-app", "scope": "cmc:diary"}
        client = client_of(kept, session, dpop=True)
        request = client.authorization_request()
        client.handle_callback(sandbox.accept_oauth(request.url, owner.username()), request).close()
        kept.keep({"apiEndpoint": owner.endpoint, "appId": "study-app", "oauth": session}, replaced=[])

    def monitor(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "pryv_monitor.cli", *arguments, "--mirror", "account.db"]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = monitor("watch")
    assert done.returncode == 1
    assert "not with a DPoP token" in done.stderr
    assert done.stderr.endswith("use --every SECONDS\n")
    assert monitor("sync", "--quiet").returncode == 0
    assert len(list(SQLiteMirror(tmp_path / "account.db").events())) == 1


@pytest.mark.long
@pytest.mark.parametrize("dpop", [False, True])
def test_two_jobs_of_cron_share_a_session_for_a_day(tmp_path: Path, dpop: bool) -> None:
    tokens, mirrors = tmp_path / "tokens", [tmp_path / "one.db", tmp_path / "two.db"]
    with Sandbox() as sandbox, owner_on(sandbox) as owner:
        logged_in(sandbox, owner, FileTokenStore(tokens), dpop=dpop).close()
        for tick in range(DAY // TICK):
            sandbox.faults.skew = tick * TICK
            owner.events.create(EVENT)
            command = [sys.executable, str(JOB), sandbox.url, str(tokens)]
            jobs = [subprocess.Popen([*command, str(mirror)], stdout=subprocess.PIPE) for mirror in mirrors]
            assert [(job.communicate()[0], job.returncode) for job in jobs] == [(b"1\n", 0)] * 2
        names = [access["name"] for access in owner.accesses.list({"includeExpired": True})]
    assert 20 <= names.count("oauth:study-app") <= 25
    assert [len(list(SQLiteMirror(mirror).events())) for mirror in mirrors] == [DAY // TICK] * 2
