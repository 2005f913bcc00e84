"""Tokens, keys and passwords are in no place where they could be read, nor the names of those who were forgotten."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest
from psycopg.conninfo import make_conninfo
from tests.accounts import Account
from tests.fleet.brokers import free_ports
from tests.fleet.persons import access_to, note
from tests.waiting import wait_for

from pryv import PryvError
from pryv.utils import extract_token_and_api_endpoint
from pryv_fleet import EmbeddedPostgres, Fleet, FleetMetrics, PostgresMirror, generate_key
from pryv_sandbox import Sandbox

STATES = ("active", "failing", "refused", "paused")
NOTE = "what only the owner knows"


@attrs.frozen
class Life:
    """A fleet to which everything has happened, and what nobody may read of it.

    Attributes:
        names: The names of its accounts by their state.
        hidden: Tokens, keys and passwords.
        dsn: The connection string, with a password.
    """

    fleet: Fleet
    registry: CollectorRegistry
    names: dict[str, str]
    hidden: set[str]
    dsn: str


@pytest.fixture
def life(
    fleet: Fleet,
    key: str,
    new_account: Callable[[], Account],
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Life]:
    caplog.set_level(logging.DEBUG)
    password, keys = secrets.token_hex(12), [generate_key(), key]
    monkeypatch.setenv("PRYV_FLEET_KEY", " ".join(keys))
    dsn = make_conninfo(fleet._database._dsn, password=password)
    accounts = {state: new_account() for state in STATES}
    endpoints = {state: access_to(account) for state, account in accounts.items()}
    replaced = access_to(accounts["active"])
    registry = CollectorRegistry()
    with Fleet(dsn, interval=0.05) as lived:
        FleetMetrics(lived, registry)
        lived.add_many([*(endpoints[state] for state in STATES if state != "active"), replaced])
        for _, _, connection in accounts.values():
            note(connection, NOTE)
        lived.sync_due()
        names = {state: account[0] for state, account in accounts.items()}
        lived.register_webhooks("https://hooks.example.org/")
        lived.resume(names["active"], endpoints["active"])
        lived.rotate_secrets()
        for state, status in (("failing", 503), ("refused", 403)):
            error = {"id": "unknown", "message": f"This is not for {endpoints[state]}"}
            sandbox.faults.status(status, body=json.dumps({"error": error}).encode(), times=3)
            with pytest.raises(PryvError, match="This is not for"):
                lived.sync(names[state])
            sandbox.faults.clear()
        lived.pause(names["paused"])
        lived.sync(names["active"])
        assert {state: lived.account(name).state for state, name in names.items()} == {state: state for state in STATES}
        tokens = {str(extract_token_and_api_endpoint(endpoint).token) for endpoint in (replaced, *endpoints.values())}
        hidden = {password, *keys, *tokens}
        yield Life(lived, registry, names, hidden, dsn)


def dump(dsn: str, request: pytest.FixtureRequest) -> str:
    """Return what `pg_dump` writes."""
    if os.environ.get("PRYV_TEST_POSTGRES_DSN"):
        program = shutil.which("pg_dump")
    else:
        server: EmbeddedPostgres = request.getfixturevalue("server")
        program = str(server._programs / "pg_dump")
    if program is None:
        pytest.skip("needs pg_dump")
    done = subprocess.run([program, "--dbname", dsn], capture_output=True, text=True)
    if "server version mismatch" in done.stderr:
        pytest.skip("needs pg_dump of the server's version")
    assert done.returncode == 0, done.stderr
    return done.stdout


def reports(fleet: Fleet) -> str:
    """Return what the objects of a fleet say of themselves."""
    claims = [claim for account in fleet.accounts() if (claim := fleet._leases.claim_one(account.name))]
    fleet._leases.release(claims)
    found = [fleet, fleet.status(), fleet._database, fleet._registry, fleet._passes, *fleet.accounts(), *claims]
    return "\n".join(f"{each!r} {each}" for each in found)


def statistics(fleet: Fleet) -> str:
    """Return the samples of values that PostgreSQL keeps of the tables, to plan queries."""
    rows = fleet._database.execute("SELECT * FROM pg_stats WHERE schemaname = %s", (fleet._database.schema,))
    assert rows
    return str(rows)


def log(caplog: pytest.LogCaptureFixture, *, but: str = "none") -> str:
    """Return what was logged at any level, but by a library."""
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    return "\n".join(caplog.handler.format(record) for record in records if not record.name.startswith(but))


def test_no_place_has_a_token_a_key_or_a_password(
    life: Life, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    places = {
        "dump": dump(life.dsn, request),
        "log": log(caplog),
        "metrics": generate_latest(life.registry).decode(),
        "reports": reports(life.fleet),
    }
    assert all(name in places["dump"] for name in life.names.values())
    assert "GET" in places["log"]
    for place, text in places.items():
        assert not [hidden for hidden in life.hidden if hidden in text], place


def test_no_process_shows_a_token_a_key_or_a_password(
    life: Life, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    for name, value in (("DSN", life.dsn), ("KEY", os.environ["PRYV_FLEET_KEY"])):
        (tmp_path / name).write_text(value)
        monkeypatch.delenv(f"PRYV_FLEET_{name}", raising=False)
        monkeypatch.setenv(f"PRYV_FLEET_{name}_FILE", str(tmp_path / name))
    command = [sys.executable, "-m", "pryv_fleet", "run", "--interval", "0.1", "--metrics", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        before = life.fleet.account(life.names["active"]).synced
        wait_for(lambda: life.fleet.account(life.names["active"]).synced != before)
        metrics = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
        shown = [Path(f"/proc/{process.pid}/{file}").read_text() for file in ("cmdline", "environ", "comm")]
        process.terminate()
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    text = "\n".join([*shown, printed, metrics])
    assert "pryv_fleet_passes_total" in text
    assert not [hidden for hidden in life.hidden if hidden in text]
    assert not [name for name in life.names.values() if name in metrics]


def test_no_place_has_the_name_of_an_account_that_was_forgotten(
    life: Life, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    life.fleet._database.execute("ANALYZE")
    for name in life.names.values():
        life.fleet.forget(name)
    places = {
        "statistics": statistics(life.fleet),
        "dump": dump(life.dsn, request),
        "log": log(caplog, but="urllib3"),  # it logs paths, at the level DEBUG
        "metrics": generate_latest(life.registry).decode(),
        "reports": reports(life.fleet),
    }
    assert life.fleet.status().forgotten == len(life.names)
    assert json.dumps(NOTE) not in places["dump"]
    assert NOTE not in places["statistics"]
    for place, text in places.items():
        assert not [name for name in life.names.values() if name in text], place
        assert not [hidden for hidden in life.hidden if hidden in text], place


def shown(error: BaseException | None) -> str:
    """Return what a log has of an error, with the variables of the frames of the packages."""
    text = ""
    while error is not None:
        found = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [frame.locals for frame in found.stack if "site-packages" in frame.filename or "/pryv" in frame.filename]
        text += f"{error} {ours}"
        error = error.__cause__ or error.__context__
    return text


def test_no_error_shows_a_token_a_key_or_a_password(
    fleet: Fleet, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = "hunter2"
    endpoint, dsn = f"https://{secret}@alice.pryv.me/", f"postgresql://user:{secret}@127.0.0.1:1/x?connect_timeout=1"
    fleet.add(endpoint)

    def add_with(keys: str | None) -> None:
        monkeypatch.delenv("PRYV_FLEET_KEY")
        if keys is not None:
            monkeypatch.setenv("PRYV_FLEET_KEY", keys)
        try:
            with Fleet(fleet._database._dsn) as other:
                other.add(f"https://{secret}@new.pryv.me/")
        finally:
            monkeypatch.setenv("PRYV_FLEET_KEY", key)

    calls: list[Callable[[], object]] = [
        lambda: fleet.add(f"https://{secret}@ /"),
        lambda: fleet.add(endpoint, name=""),
        lambda: fleet.add(endpoint, name=3),  # type: ignore[arg-type]
        lambda: fleet.add(f"https://{secret}3@alice.pryv.me/"),
        lambda: fleet.add_many([endpoint, f"not an endpoint {secret}"]),
        lambda: fleet.add_many([("a", endpoint, "b")]),  # type: ignore[list-item]
        lambda: fleet.add_many([(endpoint, "a")]),
        lambda: fleet.add_many([("a", endpoint), ("a", f"https://{secret}3@bob.pryv.me/")]),
        lambda: fleet.resume("nobody", endpoint),
        lambda: fleet.resume("alice", f"https://{secret}@ /"),
        lambda: fleet.resume("alice", endpoint, scope={}),
        lambda: fleet.sync("alice"),
        lambda: add_with(None),
        lambda: add_with(secret),
        lambda: Fleet(dsn, threads=0),
        lambda: Fleet(f"{dsn}&nothing=1"),
        lambda: Fleet(dsn).status(wait=0.2),
        lambda: PostgresMirror(dsn, ""),
        lambda: PostgresMirror(f"{dsn}&nothing=1", "a"),
    ]
    for number, call in enumerate(calls):
        with pytest.raises((ValueError, TypeError, PryvError)) as raised:
            call()
        assert secret not in shown(raised.value), number
